from __future__ import annotations

import threading
from collections.abc import Callable

import polars as pl
import pytest
from nltk.sentiment.vader import VaderConstants

from siftset.signals.kernels import compiled
from siftset.signals.kernels.compiled import has_numba
from siftset.signals.sentiment_vader import lexicon as vader_words
from siftset.signals.sentiment_vader import scorer as vader
from siftset.signals.sentiment_vader.lexicon import (
    describe_word,
    parse_lexicon,
    read_lexicon,
    strip_punctuation,
)
from siftset.signals.sentiment_vader.scorer import VaderScorer

Score = Callable[[pl.Series], pl.Series]

TEXTS = ["VADER is smart!", "not good, but great", None, "", "the bomb is kind of bad", "日本 GOOD"]


@pytest.fixture(scope="module", params=["plain", "compiled"])
def score(request: pytest.FixtureRequest) -> Score:
    if request.param == "compiled" and not has_numba():
        pytest.skip("numba is not installed")
    scorer = VaderScorer()
    return scorer.score_plain if request.param == "plain" else scorer.score_compiled


def test_constants_are_those_of_nltk() -> None:
    assert vader_words.NEGATIONS == VaderConstants.NEGATE
    assert vader_words.BOOSTERS == VaderConstants.BOOSTER_DICT
    assert set(VaderConstants.PUNC_LIST) == vader_words.PUNCTUATION
    assert (vader_words.BOOST, -vader_words.BOOST) == (VaderConstants.B_INCR, VaderConstants.B_DECR)
    assert vader_words.CAPITALS == VaderConstants.C_INCR
    assert vader_words.NEGATION == VaderConstants.N_SCALAR
    idioms = {phrase: repr(value) for phrase, value in vader_words.IDIOMS.items()}
    theirs = {phrase: repr(value) for phrase, value in VaderConstants.SPECIAL_CASE_IDIOMS.items()}
    assert idioms == theirs


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("cat,", "cat"),
        (",cat", "cat"),
        ("cat?!?", "cat"),
        (",cat,", ",cat,"),
        ("cat!!!!", "cat!!!!"),
        ("can't,", "can't,"),
        ("a.", "a."),
        (":)", ":)"),
    ],
)
def test_strip_punctuation(token: str, word: str) -> None:
    assert strip_punctuation(token) == word


def test_known_scores(score: Score) -> None:
    texts = [
        "good",
        "not good",
        "very good",
        "GOOD day",
        "good but bad",
        "I like it!!",
        "",
        "chair",
    ]
    assert score(pl.Series(texts)).to_list() == pytest.approx(
        [0.4404, -0.3412, 0.4927, 0.5622, -0.5859, 0.4738, 0.0, 0.0], abs=0
    )


def test_null_stays_null_and_the_name_stays(score: Score) -> None:
    scores = score(pl.Series("mood", [None, "good", None]))
    assert scores.name == "mood"
    assert scores.dtype == pl.Float64
    assert scores.to_list() == [None, 0.4404, None]


@pytest.mark.parametrize("dtype", [pl.String, pl.Null])
def test_nothing_but_nulls(score: Score, dtype: type[pl.DataType]) -> None:
    assert score(pl.Series([None, None], dtype=dtype)).to_list() == [None, None]
    assert score(pl.Series([], dtype=dtype)).to_list() == []


def test_slices_and_chunks_score_as_the_whole(score: Score) -> None:
    texts = pl.Series("text", TEXTS * 50)
    whole = score(texts).to_list()
    for start, size in ((1, 7), (8, 64), (63, 1), (299, 1)):
        assert score(texts.slice(start, size)).to_list() == whole[start : start + size]
    chunked = pl.concat([texts[:10], texts[10:11], texts[11:]], rechunk=False)
    assert chunked.n_chunks() == 3
    assert score(chunked).to_list() == whole
    assert score(texts.gather_every(7)).to_list() == whole[::7]


def test_a_long_text_takes_time_in_proportion(score: Score) -> None:
    """Many spellings of one word would take hours if each were compared with all before."""
    text = " ".join(f"word{i} good GOOD Good bad" for i in range(100_000))
    assert score(pl.Series([text])).to_list() == [1.0]


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
def test_threads_share_a_scorer() -> None:
    scorer = VaderScorer()
    texts = pl.Series(TEXTS * 500)
    expected = scorer.score_plain(texts).to_list()
    found: list[list[float | None]] = []
    work = lambda: found.append(scorer.score_compiled(texts).to_list())  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    ("numba", "cached", "sizes", "expected"),
    [
        (False, True, [90], [False]),
        (True, True, [9, 1, 1], [False, True, True]),
        (True, False, [10, 9, 1], [False, False, True]),
    ],
)
def test_the_kernel_is_chosen_when_it_pays(
    monkeypatch: pytest.MonkeyPatch,
    numba: bool,
    cached: bool,
    sizes: list[int],
    expected: list[bool],
) -> None:
    monkeypatch.setattr(vader, "LOAD_BYTES", 10)
    monkeypatch.setattr(vader, "COMPILE_BYTES", 20)
    monkeypatch.setattr(compiled, "has_numba", lambda: numba)
    monkeypatch.setattr(compiled, "is_cached", lambda _: cached)
    scorer = VaderScorer()
    assert [scorer.use_kernel(pl.Series(["a" * size, None])) for size in sizes] == expected


def test_a_lexicon_beyond_ascii_is_scored_in_plain_python() -> None:
    scorer = VaderScorer({**read_lexicon(), "schön": 2.0})
    assert not scorer.use_kernel(pl.Series(["a" * vader.COMPILE_BYTES]))
    assert scorer(pl.Series(["schön", "SCHÖN ist gut"]))[0] > 0


def test_a_lexicon_is_read_in_the_format_of_nltk() -> None:
    assert parse_lexicon("good\t1.9\t0.9\t[2, 1]\nbad \t-2.5\n") == {"good": 1.9, "bad ": -2.5}


def test_what_the_rules_ask_of_a_word() -> None:
    token = describe_word("NEVER", read_lexicon())
    assert token.flags == vader_words.NEGATES | vader_words.UPPER
    assert describe_word("never", read_lexicon()).flags == vader_words.NEGATES | vader_words.NEVER
