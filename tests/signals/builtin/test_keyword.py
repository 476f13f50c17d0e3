from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.schemas.errors import SignalError
from siftset.signals.builtin import keyword as module
from siftset.signals.builtin.keyword import (
    keyword,
    normalise_entries,
    write_alternation,
    write_enclosed,
)
from siftset.signals.registry import build
from siftset.signals.words import spelling
from siftset.signals.words.case_folding import fold_table
from siftset.signals.words.lists import read_words
from siftset.signals.words.phrases import Phrases

ALPHABET = (
    "aAkK\u212asS\u017f\u00df\u1e9e. +\u03c2\u03c3\u03a3\u00e9\u0301_'-\n\t"
    "\u200d\u0130i\u0131\u00b2\u24b6\u0915\u094d"
)
ENTRIES = st.lists(
    st.text(ALPHABET, min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=300)
@given(
    ENTRIES,
    st.lists(st.text(ALPHABET, max_size=12), min_size=1, max_size=30),
    st.sampled_from(["word", "prefix"]),
    st.booleans(),
)
def test_looking_up_and_matching_agree(entries, texts, match, case):
    kept = normalise_entries(tuple(entries), case=case)
    pattern = write_alternation(kept, match=match, case=case)
    phrases = Phrases(kept, match=match, case=case)
    expected = pl.Series(texts).str.count_matches(pattern).to_list()
    assert [phrases.count_matches(text) for text in texts] == expected
    assert [phrases.has_any(text) for text in texts] == [count > 0 for count in expected]
    around = pl.Series(texts).str.contains(write_enclosed(kept, match=match, case=case)).to_list()
    assert around == [count > 0 for count in expected]


@settings(deadline=None, max_examples=150)
@given(ENTRIES, st.lists(st.text(ALPHABET, max_size=12), min_size=1, max_size=20), st.booleans())
def test_substrings_agree_for_short_and_long_lists(entries, texts, case):
    frame = pl.DataFrame({"text": texts})
    small = keyword(*entries, match="substring", case=case, name="k")
    limit = module.ALTERNATION_LIMIT
    try:
        module.ALTERNATION_LIMIT = 0
        large = keyword(*entries, match="substring", case=case, name="k")
        found = large.decide(frame).keep.to_list()
    finally:
        module.ALTERNATION_LIMIT = limit
    assert found == small.decide(frame).keep.to_list()


def test_only_what_the_rule_changes_is_looked_at():
    """For every character, and each in front of those that others may join."""
    joining = "e\u0301\u1112\u1161\u11ab"
    texts = pl.Series([chr(code) for code in range(0x323B0) if not 0xD800 <= code < 0xE000])
    for before in ("", *joining):
        pairs = before + texts
        expected = pairs.str.replace_all(r"\p{Variation_Selector}", "").str.normalize("NFC")
        expected = expected.str.replace_all("[\u2018\u2019\u201b\u02bc\uff07]", "'")
        assert spelling.fold_spellings(pairs).equals(expected)
    assert spelling.fold_spellings(texts[:128]) is not None
    assert spelling.fold_spellings(pl.Series(["a\u2019", None, "b"])).to_list() == ["a'", None, "b"]


def test_the_fold_is_that_of_the_regular_expressions():
    """Every folded letter matches its fold, and letters without one match only themselves."""
    table = fold_table()
    letters = [chr(code) for code in table]
    folded = list(table.values())
    for start in range(0, len(letters), 50):
        part, equal = letters[start : start + 50], folded[start : start + 50]
        patterns = [f"^(?i:\\x{{{ord(letter):x}}})$" for letter in part]
        for pattern, letter, other in zip(patterns, part, equal, strict=True):
            assert pl.Series([letter, other]).str.contains(pattern).all(), (letter, other)


@pytest.mark.parametrize(
    ("words", "options", "text", "expected"),
    [
        (["nike"], {}, "Nike!", True),
        (["nike"], {}, "NIKE's", True),
        (["nike"], {}, "Nikes", False),
        (["nike"], {}, "Monike", False),
        (["nike"], {}, "nike_air", False),
        (["nike"], {}, "nike-air", True),
        (["nike"], {}, "ni\u212ae", True),
        (["ni\u212ae"], {}, "nike", True),
        (["nike"], {"case": True}, "Nike", False),
        (["nike"], {"case": True}, "ni\u212ae", False),
        (["stra\u00dfe"], {}, "STRASSE", False),
        (["stra\u00dfe"], {}, "STRA\u1e9eE", True),
        (["caf\u00e9"], {}, "CAF\u00c9", True),
        (["cafe"], {}, "cafe\u0301", False),
        (["\u0438\u0433\u0440\u0430"], {}, "\u0418\u0413\u0420\u0410!", True),
        (["new york"], {}, "NEW \t\n york", True),
        (["new york"], {}, "newyork", False),
        (["new york"], {}, "new yorker", False),
        (["c++"], {}, "I like C++.", True),
        (["c++"], {}, "c++x", False),
        (["run"], {"match": "prefix"}, "Running", True),
        (["run"], {"match": "prefix"}, "prerun", False),
        (["fashionable"], {"match": "substring"}, "unfashionable", True),
        (["a.c"], {}, "abc", False),
        (["(x|y)"], {}, "(X|Y)", True),
        (["don't"], {}, "I DON\u2019T know", True),
        (["don\u2019t"], {}, "I don't know", True),
        (["don\u02bct"], {"case": True}, "don\u2018t", True),
        (["don"], {}, "don\u02bct", True),
        (["caf\u00e9"], {}, "CAFE\u0301", True),
        (["cafe\u0301"], {}, "caf\u00e9", True),
        (["cafe"], {"match": "prefix"}, "cafe\u0301", False),
        (["cafe"], {"match": "substring"}, "cafe\u0301", False),
        (["\ud55c"], {}, "\u1112\u1161\u11ab", True),
        (["\u2126"], {"case": True}, "\u03a9", True),
        (["\u2764"], {}, "I \u2764\ufe0f it", True),
        (["\u2764\ufe0f nike"], {}, "\u2764 Nike", True),
        (["nike"], {}, "nike\ufe0f", True),
        (["nike"], {}, "", False),
        (["nike"], {}, None, None),
    ],
)
def test_what_matches(words, options, text, expected):
    small = keyword(*words, name="small", **options)
    assert small(text) is expected
    for limit in (module.LOOKING_LIMIT, module.ALTERNATION_LIMIT):
        fillers = [f"filler{number}" for number in range(limit + 1)]
        assert keyword(*words, *fillers, name="long", **options)(text) is expected


@pytest.mark.parametrize("more", [0, 300])
def test_counts_and_distinct_entries(more):
    words = ["sun", "moon", "new moon", *(f"filler{number}" for number in range(more))]
    text = "Sun and moon, SUN and new  moon, sunny"
    frame = pl.DataFrame({"text": [text, "none", None]})
    for score, expected in (("count", 4.0), ("distinct", 3.0)):
        found = keyword(*words, score=score, name="k")
        made = found.decide(frame)
        assert made.scores is not None
        assert made.scores.struct.field("k").to_list() == [expected, 0.0, None]
        assert made.keep.to_list() == [True, False, None]
        assert (found >= 4)(text) is (expected >= 4)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "# words\nNike\n\n nike air \nNike\n", ("Nike", "nike air")),
        ("b.txt", "\ufeffNike\r\nAdidas\r\n", ("Nike", "Adidas")),
        ("c.csv", "id,word\n1,Nike\n2,Adidas\n", ("Nike", "Adidas")),
        ("d.csv", "name,id\nNike,1\n", ("Nike",)),
        ("e.tsv", "word\tid\nNike\t1\n", ("Nike",)),
    ],
)
def test_lists_from_files(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content.encode())
    assert read_words(name, folder=tmp_path, signal="x") == expected
    known = build({"k": {"keyword": {"list": name}}}, folder=tmp_path)
    assert known["k"]("my NIKE") is True


def test_a_list_from_parquet_and_its_fingerprint(tmp_path):
    def made(words: list[str]) -> str:
        pl.DataFrame({"word": words}).write_parquet(tmp_path / "w.parquet")
        return build({"k": {"keyword": {"list": "w.parquet"}}}, folder=tmp_path)["k"].fingerprint

    assert made(["a", "b"]) == made(["a", "b"])
    assert made(["a", "b"]) != made(["a", "c"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "is empty"),
        ("comments.txt", b"# nothing\n\n", "is empty"),
        ("binary.txt", b"\x89PNG\r\n\x1a\n\xff", "is not a text file"),
        ("nul.txt", b"a\0b\n", "is not a text file"),
        ("numbers.parquet", None, "column 'word' is Int64"),
        ("fake.parquet", b"nothing", "cannot be read"),
        ("missing.txt", None, "there is no such file"),
        ("unshipped", None, "is not shipped"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path, name, content, message):
    if name == "numbers.parquet":
        pl.DataFrame({"word": [1]}).write_parquet(tmp_path / name)
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SignalError, match=message) as caught:
        build({"k": {"keyword": {"list": name}}}, folder=tmp_path)
    assert "signal 'k': list" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"keyword": {}}, "give words"),
        ({"keyword": None}, "give words"),
        ({"keyword": {"words": []}}, "give words"),
        ({"keyword": {"words": [" "]}}, "blank entry"),
        ({"keyword": {"words": "nike"}}, "keyword.words: input should be a valid tuple"),
        ({"keyword": {"words": ["a"], "min": 2}}, "min and max need"),
        ({"keyword": {"wrods": ["a"]}}, "did you mean 'words'"),
        ({"keyword": {"words": ["a"], "match": "whole"}}, "keyword.match"),
        ({"keyword": ["a"]}, "takes parameters by name"),
        ({"keyword": {"words": ["a"]}, "regex": {}}, "expected one kind"),
        ({}, "expected one kind"),
        ({"regex": {"pattern": "("}}, "not a regular expression: unclosed group"),
        ({"regex": {"pattern": "(?=a)"}}, "not a regular expression: look-around"),
        ({"python": 3}, "expected  python: file.py:function"),
        ({"python": "a.py:b", "min": 3}, "unknown key 'min' beside python"),
    ],
)
def test_parameters_that_do_not_fit(spec, message):
    with pytest.raises(SignalError, match="signal 'x'") as caught:
        build({"x": spec}, folder=Path.cwd())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["if", "two words", "1st", "\u00e9t\u00e9"])
def test_a_name_that_no_formula_can_hold(name):
    with pytest.raises(SignalError, match="the name must be"):
        build({name: {"is_null": {}}}, folder=Path.cwd())


REPORTS = {
    "re2 344": (["\u00e4"], "a\u00e4 b", False),
    "cpython 76379": (["\u0936"], "\u0936\u093f\u0935", False),
    "mrab-regex 451": (["up"], "Direction: \u2b06\ufe0fUP", True),
    "fjord 653": (["best"], "firefox is the best!", True),
    "digitalpalireader 284": (["dh\u0101"], "dh\u0101l", False),
}  # fmt: skip


@pytest.mark.parametrize(("words", "text", "expected"), REPORTS.values(), ids=REPORTS)
def test_texts_that_other_engines_got_wrong(words, text, expected):
    """Public reports of boundaries of words beyond ASCII."""
    assert keyword(*words, name="k")(text) is expected
    fillers = [f"filler{number}" for number in range(module.ALTERNATION_LIMIT + 1)]
    assert keyword(*words, *fillers, name="k")(text) is expected
