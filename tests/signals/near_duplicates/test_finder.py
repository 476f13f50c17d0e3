from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.kernels.compiled import has_numba
from siftset.signals.near_duplicates import finder as near
from siftset.signals.near_duplicates.finder import NearDuplicates, keys_of_bands, near_duplicates
from siftset.signals.near_duplicates.minhash import RECALL, band_shape, find_chance
from siftset.signals.registry import load_builtin
from siftset.signals.words.case_folding import fold_case, word_class

THRESHOLDS = (0.5, 0.7, 0.8, 0.9)
WAYS = [False, True] if has_numba() else [False]
UNSPACED = re.compile(
    "[\u3005\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\u0e01-\u0e3a\u0e40-\u0e4e]"
)
TEN = "one two three four five six seven eight nine ten"


@pytest.fixture(params=WAYS, ids=lambda way: "kernel" if way else "plain")
def way(request) -> bool:
    return request.param


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the word 3-grams of a text; none for fewer than ten words."""
    spaced = UNSPACED.sub(r" \g<0> ", fold_case(text))
    words = re.findall(f"[{word_class()}]+", spaced)
    return frozenset(zip(words, words[1:], words[2:], strict=False) if len(words) >= 10 else ())


def alike(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b)


def edited(bases: list[str], rows: int, seed: int) -> list[str]:
    """Mix texts with copies of them of which one to some words were changed."""
    draw = random.Random(seed)
    vocabulary = sorted({word for text in bases[:500] for word in text.split()})
    texts = []
    for _ in range(rows):
        words = draw.choice(bases).split()
        for _ in range(draw.choice((0, 0, 1, 1, 2, 3, 5))):
            place = draw.randrange(len(words) + 1)
            change = draw.random()
            if change < 0.4:
                words[place : place + 1] = [draw.choice(vocabulary)]
            elif change < 0.7:
                words.insert(place, draw.choice(vocabulary))
            else:
                del words[place : place + 1]
        text = " ".join(words)
        texts.append(draw.choice((str, str.lower, str.upper, str.title))(text) + draw.choice("!. "))
    return texts


def made_up(rows: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    words = ["".join(draw.choice("abcdeé") for _ in range(draw.randint(1, 5))) for _ in range(400)]
    return [" ".join(draw.choices(words, k=draw.randint(8, 40))) for _ in range(rows)]


def judge(texts: list[str], found: list[int | None], threshold: float) -> tuple[int, int, int]:
    """Return how many rows were rightly found, wrongly found and missed, by all kept rows."""
    sets = [shingles(text) for text in texts]
    rows_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    right = wrong = missed = 0
    for row, keeper in enumerate(found):
        if keeper is not None:
            kept = found[keeper] is None and keeper < row
            good = kept and alike(sets[row], sets[keeper]) >= threshold
            right, wrong = right + good, wrong + (not good)
            continue
        near = {other for shingle in sets[row] for other in rows_of[shingle]}
        missed += any(alike(sets[row], sets[other]) >= threshold for other in near)
        for shingle in sets[row]:
            rows_of[shingle].append(row)
    return right, wrong, missed


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_precision_is_one_and_recall_as_stated(way: bool, threshold: float) -> None:
    texts = edited(made_up(400, 1), 2000, 2)
    found = NearDuplicates(threshold, use_numba=way).add(pl.Series(texts)).to_list()
    right, wrong, missed = judge(texts, found, threshold)
    assert wrong == 0
    assert right > 300
    assert right / (right + missed) >= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_recall_on_edits_of_real_texts(threshold: float, corpora: Path, few_or_all) -> None:
    bases = pl.read_parquet(corpora / "gutenberg.parquet")["text"].str.slice(0, 400)
    rows = few_or_all(6_000, 20_000)
    texts = edited(bases.sample(rows // 5, seed=3).to_list(), rows, 4)
    found = NearDuplicates(threshold).add(pl.Series(texts)).to_list()
    right, wrong, missed = judge(texts, found, threshold)
    assert wrong == 0
    assert right > rows // 6
    assert right / (right + missed) >= 0.998


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text("aAbéÉK\u212a ßẞ.\n\u0301日本がー", max_size=60) | st.none(), max_size=20),
    st.integers(1, 30),
    st.sampled_from(THRESHOLDS),
)
def test_both_ways_agree(texts: list[str | None], cut: int, threshold: float) -> None:
    series = pl.Series("text", [t and t + " a b c d e f g h" for t in texts], pl.String)
    plain, fast = (NearDuplicates(threshold, use_numba=numba) for numba in (False, True))
    for block in (series[:cut], series[cut:], series):
        assert plain.add(block).equals(fast.add(block))
    assert plain.kept == fast.kept


def test_the_first_row_is_kept_and_there_are_no_chains(way: bool) -> None:
    words = TEN.split() + [f"word{i}" for i in range(20)]
    second = " ".join(words[:-2])
    third = " ".join(words[:-5])
    texts = pl.Series("text", [" ".join(words), second, third, "short text", None, second.upper()])
    found = NearDuplicates(0.9, use_numba=way).add(texts)
    assert (
        alike(shingles(second), shingles(third))
        < 0.9
        <= alike(shingles(texts[0]), shingles(second))
    )
    assert found.to_list() == [None, 0, None, None, None, 0]
    assert found.name == "text"
    assert found.dtype == pl.Int64


def test_the_keeper_is_the_first_of_those_that_are_alike(way: bool) -> None:
    words = [f"word{i}" for i in range(60)]
    first, second = " ".join(words[4:]), " ".join(words[:-4])
    assert alike(shingles(first), shingles(second)) < 0.9
    between = " ".join(words[2:-2])
    assert NearDuplicates(0.9, use_numba=way).add(pl.Series([first, second, between]))[2] == 0
    assert NearDuplicates(0.9, use_numba=way).add(pl.Series([second, first, between]))[2] == 0


CHINESE = "今天天气很好我们一起去公园散步吧然后喝一杯咖啡再回家看电视"
JAPANESE = "昨日は友達とラーメンを食べに行きましたがとても美味しかったです"
THAI = "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะกันเถอะ"


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI, "ABC 123" + CHINESE])
def test_texts_without_spaces_are_compared_by_characters(way: bool, text: str) -> None:
    end, other = text[:-1] + "!", text[:5] + text[20:] + "完全に別の話"
    series = pl.Series([text, end, other, text[:3]])
    assert alike(shingles(text), shingles(end)) >= 0.8 > alike(shingles(text), shingles(other))
    assert NearDuplicates(0.8, use_numba=way).add(series).to_list() == [None, 0, None, None]


def test_the_signal_compares_texts_without_spaces_by_characters_too(tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text(CHINESE + "\n" + TEN, encoding="utf-8")
    near_one = load_builtin("near_duplicate_of").build(
        "near", {"file": "known.txt", "min": 0.8}, folder=tmp_path
    )
    assert [near_one(text) for text in (CHINESE[:-1], CHINESE[:10], TEN.upper())] == [
        True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_blocks_do_not_matter(way: bool, size: int) -> None:
    texts = pl.Series(edited(made_up(50, 3), 500, 4))
    once, found = NearDuplicates(0.7, use_numba=way), NearDuplicates(0.7, use_numba=way)
    whole = once.add(texts)
    parts = [found.add(texts[start : start + size]) for start in range(0, 500, size)]
    assert pl.concat(parts).equals(whole)
    assert found.kept == once.kept


def test_near_duplicates_of_blocks() -> None:
    blocks = [pl.Series([TEN, "x"]), pl.Series([], dtype=pl.String), pl.Series([None, TEN + "!"])]
    found = [part.to_list() for part in near_duplicates(blocks, threshold=0.8)]
    assert found == [[None, None], [], [None, 0]]


def test_published_texts_are_all_kept_and_numbered(way: bool) -> None:
    found = NearDuplicates(0.8, use_numba=way)
    found.seed_with(pl.Series(["short", TEN, TEN]))
    assert found.kept == 2
    assert found.add(pl.Series([TEN + " eleven", "new"])).to_list() == [1, None]


def test_texts_of_fewer_than_ten_words_are_left_out(way: bool) -> None:
    nine = TEN.rsplit(" ", 1)[0]
    found = NearDuplicates(0.5, use_numba=way)
    assert found.add(pl.Series([nine, nine, TEN, TEN])).to_list() == [None, None, None, 2]


def test_many_rows_make_the_tables_grow(way: bool) -> None:
    texts = pl.Series(made_up(9000, 8))
    found = NearDuplicates(0.8, use_numba=way)
    first, again = found.add(texts), found.add(texts)
    long_enough = texts.str.count_matches(r"\w+") >= 10
    assert again.filter(first.is_null() & long_enough).null_count() == 0
    assert again.filter(~long_enough).null_count() == (~long_enough).sum()


@pytest.mark.parametrize("size", [3, 300])
def test_rows_that_repeat_share_a_key_with_their_keeper(way: bool, size: int, monkeypatch) -> None:
    monkeypatch.setattr(near, "_BLOCK", size)
    texts = pl.Series([None, "too short", *edited(made_up(60, 5), 800, 6)])
    found = NearDuplicates(0.7, seed=3, use_numba=way).add(texts).to_list()
    keys = keys_of_bands(texts, 0.7, seed=3, use_numba=way)
    assert keys.equals(keys_of_bands(texts, 0.7, seed=3, use_numba=False))
    of_row = dict(keys.group_by("row").agg("key").iter_rows())
    assert sorted(of_row) == [row for row, text in enumerate(texts) if text and shingles(text)]
    pairs = [(row, keeper) for row, keeper in enumerate(found) if keeper is not None]
    assert len(pairs) > 100
    assert all(set(of_row[row]) & set(of_row[keeper]) for row, keeper in pairs)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@pytest.mark.parametrize(("cut", "keeper"), [(0, None), (1, 0)])
def test_rows_that_share_a_part_of_a_key_are_not_compared(cut, keeper, monkeypatch) -> None:
    """Rows are met by 31 bits of a key; where the others differ it was by chance."""
    finder, honest = NearDuplicates(0.9, use_numba=True), near._compiled_keys
    finder.add(pl.Series([TEN]))

    def by_chance(texts, made):
        keyed = honest(texts, made)
        keyed.keys[:, : made.bands - cut] ^= 1
        return keyed

    monkeypatch.setattr(near, "_compiled_keys", by_chance)
    assert finder.add(pl.Series([TEN])).to_list() == [keeper]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01])
def test_a_threshold_that_cannot_be(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        NearDuplicates(threshold)


@pytest.mark.parametrize("threshold", [0.3, *THRESHOLDS, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = band_shape(threshold)
    assert bands * rows <= 128
    assert find_chance(threshold, threshold) >= RECALL
    assert find_chance(0.05, threshold) < 0.2
