from __future__ import annotations

import random
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.builtin.keyword import normalise_entries, write_alternation
from siftset.signals.kernels.compiled import BreakEven, has_numba
from siftset.signals.words.case_folding import fold_case, word_class
from siftset.signals.words.wordset import WordSet

ALPHABET = (
    "aAbkK\u212asS\u017f\u00df\u1e9e. +-_'#\u03c2\u03c3\u03a3\u00e9\u00c9\u0301\u0130i\u0131\n\t"
    "\u00a0\u2003\u3000\u0085\u001f\u200b\u200d\u2126\u03c9\u01c5\u01c6\U0001f600\U00010400\u023a"
)
ENTRIES = st.lists(
    st.text(ALPHABET, min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=6
)
TEXTS = st.lists(st.text(ALPHABET, max_size=14), min_size=1, max_size=20)


def make(words, *, kernel, **options):
    made = WordSet(words, **options)
    made._break_even = BreakEven("find_entries", load=0 if kernel else 2**62, compile=0)
    return made


@pytest.fixture(params=[False, True], ids=["plain", "kernel"])
def kernel(request):
    if request.param and not has_numba():
        pytest.skip("numba is not installed")
    return request.param


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@settings(deadline=None, max_examples=500)
@given(ENTRIES, TEXTS, st.sampled_from(["word", "prefix"]), st.booleans())
def test_the_kernel_matches_as_the_regular_expression_does(entries, texts, match, case):
    pattern = write_alternation(
        normalise_entries(tuple(entries), case=case), match=match, case=case
    )
    series = pl.Series("text", texts)
    made = make(entries, kernel=True, match=match, case=case)
    assert made.find_hits(series).to_list() == series.str.contains(pattern).to_list()
    assert made.count_matches(series).to_list() == series.str.count_matches(pattern).to_list()


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@settings(deadline=None, max_examples=200)
@given(ENTRIES, TEXTS, st.booleans())
def test_both_ways_agree(entries, texts, case):
    series = pl.Series("text", texts)
    fast, plain = (make(entries, kernel=kernel, case=case) for kernel in (True, False))
    for ask in ("find_hits", "count_matches", "count_distinct", "find_firsts"):
        assert getattr(fast, ask)(series).equals(getattr(plain, ask)(series)), ask


def test_a_long_list_against_a_reference(kernel):
    """20,000 words are looked up as a set of Python's strings would."""
    draw = random.Random(5)
    letters = "abcdeKs\u017f\u212a\u00e9\u00c9\u03c3\u03a3"
    word = lambda: "".join(draw.choice(letters) for _ in range(draw.randint(1, 6)))  # noqa: E731
    words = [word() for _ in range(20_000)]
    texts = [
        draw.choice(" .,-").join(word() for _ in range(draw.randint(0, 6))) for _ in range(3000)
    ]
    known = {fold_case(entry): number for number, entry in reversed(list(enumerate(words)))}
    tokens = re.compile(f"[{word_class()}]+")
    found = [[known[t] for t in tokens.findall(fold_case(text)) if t in known] for text in texts]
    made = make(words, kernel=kernel)
    series = pl.Series(texts)
    assert made.find_hits(series).to_list() == [bool(numbers) for numbers in found]
    assert made.count_matches(series).to_list() == [len(numbers) for numbers in found]
    assert made.count_distinct(series).to_list() == [len(set(numbers)) for numbers in found]
    assert made.find_firsts(series).to_list() == [next(iter(numbers), None) for numbers in found]


@pytest.mark.parametrize(
    ("words", "text", "hit"),
    [
        (["nike"], "Ni\u212ae", True),
        (["sale"], "\u017fALE!", True),
        (["stra\u00dfe"], "STRASSE", False),
        (["stra\u00dfe"], "STRA\u1e9eE", True),
        (["i"], "\u0130", False),
        (["\u03c3\u03c3"], "\u03a3\u03c2", True),
        (["nike"], "nike_air monike nikes", False),
        (["nike"], "nike's", True),
        (["e"], "e\u0301", False),
        (["new york"], "NEW \t\u3000\nYork", True),
        (["new york"], "new\u001fyork", False),
        (["c++"], "(C++)", True),
        (["c++"], "c++x", False),
        (["#sale"], "x#sale", False),
        (["#sale"], "get #SALE", True),
        (["a b c", "b"], "a b d", True),
        (["\U0001f600"], "good\U0001f600", False),
        (["\U0001f600"], "good \U0001f600\U0001f600", True),
    ],
)
def test_what_matches(kernel, words, text, hit):
    assert make(words, kernel=kernel).find_hits(pl.Series([text])).to_list() == [hit]


def test_the_longest_entry_wins_and_matches_do_not_overlap(kernel):
    made = make(["new", "york", "new york", "New York City"], kernel=kernel)
    texts = pl.Series("text", ["new york city", "new york new", "old", None, ""])
    assert made.count_matches(texts).to_list() == [1, 2, 0, None, 0]
    assert made.count_distinct(texts).to_list() == [1, 2, 0, None, 0]
    assert made.find_firsts(texts).to_list() == [3, 2, None, None, None]
    assert made.find_firsts(texts).name == "text"


def test_beginnings_of_words(kernel):
    made = make(["run", "runn", "in the", "#"], kernel=kernel, match="prefix")
    texts = pl.Series(["Running", "prerun", "in thesis", "in theory run", "a#", "#x"])
    assert made.find_hits(texts).to_list() == [True, False, True, True, False, True]
    assert made.count_matches(texts).to_list() == [1, 0, 1, 2, 0, 1]
    assert made.find_firsts(texts).to_list() == [1, None, 2, 2, None, 3]


def test_slices_and_chunks(kernel):
    made = make(["b"], kernel=kernel)
    texts = pl.Series(["a b", None, "c", "b\u00e9", "b-"] * 20)
    whole = made.find_hits(texts).to_list()
    assert made.find_hits(texts[3:50]).to_list() == whole[3:50]
    chunks = pl.concat([texts[:7], texts[7:]], rechunk=False)
    assert made.find_hits(chunks).to_list() == whole
    assert made.find_hits(texts.clear()).to_list() == []


def test_repeats_keep_the_first_position(kernel):
    made = make(["x", "Nike", "NIKE", "y"], kernel=kernel)
    assert made.find_firsts(pl.Series(["nike"])).to_list() == [1]


def test_a_blank_entry_is_refused():
    with pytest.raises(ValueError, match="entry 1 of the word list is blank"):
        WordSet(["a", " \t"])
