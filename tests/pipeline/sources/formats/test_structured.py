"""JSON: the fast and the exact way agree, whatever the blocks."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siftset.pipeline.sources import open_sources
from siftset.pipeline.sources.formats import structured
from siftset.schemas.recipe.model import Recipe

numbers = (
    st.integers(-(2**70), 2**70)
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=4)
dates = st.sampled_from(["2024-01-02", "2024-01-02 03:04:05", "1", "true", "1.50"])
values = st.one_of(
    scalars, dates, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=2), scalars)
)
same = st.sampled_from([numbers, dates, st.text(max_size=4), st.booleans(), values])
records = same.flatmap(
    lambda kind: st.lists(
        st.dictionaries(st.sampled_from(["a", "b"]), kind, max_size=2), min_size=1, max_size=9
    )
)
BROKEN = ['{"a":', '{"a":1}{"a":2}', "[]", '{"a":1,"a":2}', '{"a":"\\ud800"}', '{"a":NaN}']


def read(folder: Path, lines: list[str], *, block: int, exact: bool) -> tuple[object, ...]:
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = {"files": {"paths": ["a.jsonl"]}}
    content = {"name": "x", "output": "o", "source": files, "keep": "a"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "siftset.pipeline.sources.formats.streams.text_blocks.__kwdefaults__", {"size": block}
        )
        if exact:
            patch.setattr(structured, "_parse_fast", lambda _: None)
        sources = open_sources(Recipe.model_validate(content), folder)
        found = [(batch.frame, batch.unreadable) for batch in sources.read_batches()]
    frame = pl.concat([frame for frame, _ in found])
    columns = sorted(sources.schema)
    bad = pl.concat([bad for _, bad in found]).drop("reason")
    types = {name: sources.schema[name] for name in columns}
    # NaN differs from itself, its text does not.
    return types, repr(frame.select("row_id", "source", *columns).rows()), bad.rows()


@settings(max_examples=150, deadline=None)
@given(records, st.lists(st.sampled_from(BROKEN), max_size=2), st.integers(1, 60))
@example([{"a": 1}, {"a": 2**60}, {"a": 0.5}], [], 9)
@example([{"a": 2**64}, {"a": 0.5}], [], 9)
@example([{"a": False}, {"a": 2**53}, {}], [], 1)
@example([{"a": "2024-01-02"}, {"a": "x"}], ['{"a":NaN}'], 9)
def test_blocks_and_the_exact_way_change_nothing(tmp_path_factory, records, broken, block):
    folder = tmp_path_factory.getbasetemp()
    lines = [json.dumps({"text": "t", **record}, ensure_ascii=False) for record in records]
    lines[1:1] = broken
    whole = read(folder, lines, block=10_000, exact=False)
    assert read(folder, lines, block=10_000, exact=True) == whole
    assert read(folder, lines, block=block, exact=False) == whole
