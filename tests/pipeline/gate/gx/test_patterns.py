from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.gate.gx.patterns import matches_regex
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


FRAME = pl.DataFrame({"n": [1, 5, None], "s": ["a", None, "b"], "f": [float("nan"), 1.0, None]})


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
    "query", ["__import__('os').system('x')", "n.map(len)", "@n > 1", "n >", "1 < n < 3", "zz > 1"]
)
def test_nothing_else_is_evaluated(query):
    with pytest.raises(SuiteError) as caught:
        row_filter(query, FRAME.schema)
    assert "\n" not in str(caught.value)
