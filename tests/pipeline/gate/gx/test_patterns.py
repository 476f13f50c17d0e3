from __future__ import annotations

import json
import re
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.gate.gx.patterns import as_text, has_schema, is_date, is_json, matches_regex
from siftset.pipeline.gate.gx.row_condition import row_filter
from siftset.schemas.errors import SuiteError

PATTERNS = (
    "a$", r"a\Z", "^a", "[[]", "[]a]", "[^]a]", "[a&&b]", "[a~~b]", r"\$", "[$]", "a{2}", "a{",
    "(?m)a$", r"(?<=b)a", r"(a)\1", "(?P<x>a)b", r"\x61", r"a|b$", "", r"[\[\]]",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text(alphabet="ab$[]&~{\n ", max_size=6))
def test_patterns_find_what_python_finds(text):
    frame = pl.DataFrame({"t": [text, None]})
    for pattern in PATTERNS:
        found = frame.select(matches_regex(pl.col("t"), pattern))["t"].to_list()
        assert found == [re.search(pattern, text) is not None, None], pattern


FRAME = pl.DataFrame(
    {
        "n": [1, 5, None],
        "s": ["a", None, "b"],
        "f": [float("nan"), 1.0, None],
        "a b": [1, 2, 3],
        "d": [datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 3)],
    }
)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("n > 1", [1]),
        ("n != 5", [0, 2]),
        ("s == 'a' or n >= 5", [0, 1]),
        ("not (s == 'a')", [1, 2]),
        ("(n > 0) & (s.notnull())", [0]),
        ("f.isnull()", [0, 2]),
        ("s in ['a', 'b']", [0, 2]),
        ("s not in ['a']", [1, 2]),
        ("`n` < f", []),
        ("s.str.len() > 0", [0, 2]),
        ("s.str.contains('A', case=False, na=False)", [0]),
        ("s.str.startswith('b', na=False) or n == 5", [1, 2]),
        ("s.str.upper() == 'B'", [2]),
        ("1 < n < 9", [1]),
        ("5 >= n", [0, 1]),
        ("n.between(1, 4)", [0]),
        ("s.isin(['a', 'x'])", [0]),
        ("`a b` == 2", [1]),
        ("`a b` in [1, 3] and not `a b` == 3", [0]),
        ("d > '2024-01-02'", [2]),
        ("d == '2024-01-01' | n == 7", None),
        ("n == 1 | s == 'b'", None),
    ],
)
def test_pandas_queries_select_the_rows_that_pandas_selects(query, rows):
    if rows is None:
        with pytest.raises(SuiteError):
            row_filter(query, FRAME.schema)
        return
    kept = FRAME.with_row_index("i").filter(row_filter(query, FRAME.schema))["i"].to_list()
    assert kept == rows
    assert FRAME.with_row_index("i").to_pandas().query(query)["i"].to_list() == rows


@pytest.mark.parametrize(
    "query",
    [
        "__import__('os').system('x')",
        "n.map(len)",
        "@n > 1",
        "n >",
        "zz > 1",
        "n + 1 > 2",
        "s.str.cat('x') == 'a'",
        "n.str.len() > 1",
        "n == 'a'",
        "n is 1",
    ],
)
def test_nothing_else_is_evaluated(query):
    with pytest.raises(SuiteError) as caught:
        row_filter(query, FRAME.schema)
    assert "\n" not in str(caught.value)


SAME_AS_PYTHON = (
    r"\<", r"\>", "[+--]", "[--.]", "[+-]", r"\w", r"\W", r"^\w+$", r"\s", r"\S", r"\d", r"\D",
    r"\b", r"\Ba", r"[\w]", r"[^\w]", r"[\s]", r"[^\s]", r"[\S]", r"[^\S]", r"[\d_]", r"[\W]",
    "(?i)k", "(?i)i", "(?i)s", "(?i)\u00df", "(?i)[a-z]", "(?i)[\u017f]", r"(?i)\w", "a{,2}",
    "a{2}", "{", "}", "a{x}", "a{2", "a{2}+a", "a*+a", "a++a", "(?>a)", r"a$\n", "(a$)\n", "^$",
    "$a", "a$|b", "(?m)a$", "(?m)^b", "(?x)x # c", r"\x41", r"\u0041", r"\101", r"\0", r"[\b]",
    "[a&&b]", "[a||b]", "[[:alpha:]]", "[a-z&&[^b]]", "[[x]", "[]a]", "[^]a]", r"[\]\\]",
    "(?P<n>a)(?P=n)", r"(a)\1", "(?a)\\w", "(?s).", ".", r"\#", r"\ ", r"\-", r"\v", r"\a",
    "(?i:A)b", "(?#c)a", r"\N{DIGIT FIVE}", "\U0001f600", "a|", "", "(?<=a)b", "(?!a)b",
)  # fmt: skip
TEXTS = (
    "", "<a>", "+-", ",", "[x]", "e\u0301", "\u0301", "caf\u00e9", "a\u00a0b", "a\x1cb", "\x1f",
    "\u2028", "_", "\u0665", "5", "\u200d", "a\n", "a\nb", "\n", "a\n\n", "Stra\u00dfe",
    "STRASSE", "\u017f", "K", "\u212a", "\u0130", "i", "\u0131", "a b", "a\\b", "{}", "a{x}",
    "a{2", "aa", "aaa", "ab", "x y", "\u0345", "\u1e9e", "\U0001f600", "a\rb", "\x85", "&&",
    "||", "^", "]", ":", "\u2160", "\u24b6", "\u0903", "\u0488", "\u203f", "\x00", "\x08",
    "\x0b", "\x07", "A", "#",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("pattern", SAME_AS_PYTHON)
def test_every_pattern_means_what_it_means_in_python(pattern):
    found = pl.DataFrame({"t": TEXTS}).select(matches_regex(pl.col("t"), pattern))["t"].to_list()
    wrong = [t for t, f in zip(TEXTS, found, strict=True) if f != bool(re.search(pattern, t))]
    assert wrong == []


def test_every_character_is_classed_as_in_python():
    """One text a character, so that the parts of the tables that differ cannot hide."""
    texts = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    frame = pl.DataFrame({"t": texts})
    for pattern in (r"\w", r"[^\w]", r"\s", r"[^\s]", r"\d", "(?i)k", "[+--]"):
        found = frame.select(matches_regex(pl.col("t"), pattern))["t"].to_list()
        compiled = re.compile(pattern)
        wrong = [t for t, f in zip(texts, found, strict=True) if f != bool(compiled.search(t))]
        assert wrong == [], pattern


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@given(
    st.text(alphabet="ab\\[]^$-+*?{}()|.,2dwsZ&~<\n", max_size=8),
    st.lists(
        st.text(alphabet="ab\u0301\u00e9\u2160-+[]2\x1c\n_", max_size=4), min_size=1, max_size=6
    ),
)
def test_random_patterns_find_what_python_finds(pattern, texts):
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    found = pl.DataFrame({"t": texts}).select(matches_regex(pl.col("t"), pattern))["t"].to_list()
    assert found == [bool(compiled.search(text)) for text in texts]


DEEP = "[" * 100_000 + "]" * 100_000


def test_what_is_no_json_follows_no_schema():
    follows = has_schema({"type": "object", "required": ["a"]})
    texts = ['{"a": 1}', '{"b": 1}', "no json", "", DEEP]
    assert [follows(text) for text in texts] == [True, False, False, False, False]
    assert [is_json(text) for text in texts] == [True, True, False, False, False]
    with pytest.raises(SuiteError, match="json_schema is not a JSON Schema"):
        has_schema({"type": "nonsense"})


def test_no_text_ends_the_reading_of_dates():
    texts = ["2024-01-01", "", "\x00", "1" * 400, "((((", "1e400", "00:00:60", "Mon Tue"]
    assert [is_date(text) for text in texts][:2] == [True, False]


def test_floats_are_matched_as_python_writes_them():
    values = [1.0, 1e16, 1e-7, 1e300, -0.0, float("inf"), 0.1 + 0.2, None]
    text = pl.DataFrame({"f": values}).select(as_text(pl.col("f"), pl.Float64()))["f"].to_list()
    assert text == [None if value is None else str(value) for value in values]
    assert json.dumps(text)
