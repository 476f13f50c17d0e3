"""Whatever a file holds is stored by a rule, or refused before the first row is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.sources import Sources
from siftset.schemas.errors import SourceError
from siftset.schemas.results.columns import OWN_COLUMNS

Open = Callable[..., Sources]

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


def zoned(zone: str) -> pa.Array:
    return pa.array([NOON], pa.timestamp("us", zone))


ARROW: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"t": zoned("Europe/Berlin")}, {"t": NOON}),
    ({"t": zoned("+02:00")}, {"t": NOON}),
    ({"t": zoned("UTC")}, {"t": NOON}),
    ({"t": pa.array([[NOON]], pa.list_(pa.timestamp("ms", "-05:30")))}, {"t": [NOON]}),
    ({"label": [1], "Label": [2]}, {"label": 1, "source_column_Label": 2}),
    ({"Source": [1], "SPLIT": [2]}, {"source_column_Source": 1, "source_column_SPLIT": 2}),
    ({"s": [{"A": 1, "a": 2}]}, {"s": '{"A":1,"a":2}'}),
    ({"s": pa.array([[{}]], pa.list_(pa.struct([])))}, None),
    ({"": [1]}, {"unnamed": 1}),
    ({"d": pa.array([Decimal("1.50")], pa.decimal256(50, 2))}, {"d": "1.50"}),
    ({"d": pa.array([Decimal("1.50")], pa.decimal256(20, 2))}, {"d": Decimal("1.50")}),
    ({"d": pa.array([timedelta(seconds=1)], pa.duration("ms"))}, {"d": 1_000_000}),
    ({"d": pa.array([[timedelta(seconds=1)]], pa.list_(pa.duration("ms")))}, {"d": [1_000_000]}),
    ({"d": [{"x": timedelta(seconds=1), "y": None}]}, {"d": {"x": 1_000_000, "y": None}}),
    ({"u": pa.array([2**64 - 1], pa.uint64())}, {"u": Decimal(2**64 - 1)}),
    ({"label": [["x", "y"]]}, {"label": ["x", "y"]}),
    ({"a b,c;{d}=\n": [1]}, {"a b,c;{d}=\n": 1}),
    ({"n": pa.nulls(1)}, {"n": None}),
    ({"day": [date(1, 1, 1)]}, {"day": date(1, 1, 1)}),
]


def recipe(folder: Path, **files: object) -> Path:
    path = folder / "recipe.json"
    path.write_text(
        json.dumps(
            {
                "name": "storable",
                "output": "out",
                "source": {"files": {"paths": ["a.*"], **files}},
                "signals": {"long": {"length": {"min": 1}}},
                "keep": "long",
                "analysis": "off",
                "max_unreadable_share": 1.0,
            }
        )
    )
    return path


@pytest.mark.parametrize(("columns", "stored"), ARROW, ids=lambda value: "+".join(value or ["-"]))
def test_what_check_lets_through_is_published(columns, stored, tmp_path: Path):
    table = pa.table({"text": ["a text"], **columns})
    if stored is None:
        pl.DataFrame(table).write_ipc(tmp_path / "a.arrow")
    else:
        pq.write_table(table, tmp_path / "a.parquet")
    files = {"label": "label"} if "label" in columns else {}
    path = recipe(tmp_path, **files)
    check_recipe(path)
    curate(path)
    [row] = pl.read_delta(str(tmp_path / "out/set")).drop(OWN_COLUMNS, strict=False).to_dicts()
    if stored is not None:
        assert row == {"text": "a text", **stored}


REFUSED = [
    (pa.table([["t"], [1], [2]], names=["text", "x", "x"]), "column 'x' is there twice"),
    (
        pa.table({"text": ["t"], "x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}),
        "column 'x' holds month_day_nano_interval, which cannot be stored",
    ),
]


@pytest.mark.parametrize(("table", "message"), REFUSED)
def test_what_cannot_be_stored_is_refused_by_check(table, message, tmp_path: Path):
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as out,
    ):
        out.write_table(table)
    with pytest.raises(SourceError, match=message):
        check_recipe(recipe(tmp_path))


def test_columns_of_two_files_that_differ_in_case_alone(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,userId\nx,1\n")
    (tmp_path / "b.csv").write_text("text,userid,USERID\ny,2,3\n")
    sources = opened("a.csv", "b.csv")
    assert sources.schema.names() == [
        "text", "userId", "source_column_userid", "source_column_USERID_",
    ]  # fmt: skip
    assert sum("its own name is taken" in line for line in sources.warnings) == 2
    assert sources.frame()["source_column_USERID_"].to_list() == [None, 3]


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize("inner", [nested(20_000), nested(300), '{"a":' * 300 + "1" + "}" * 300])
def test_a_record_that_is_nested_too_deep_is_unreadable(form, inner, opened: Open, tmp_path: Path):
    records = [
        '{"text":"flat","v":"[[["}',
        f'{{"text":"deep","v":{inner}}}',
        f'{{"text":"fine","v":{nested(200)}}}',
        f'{{"text":"quoted","v":"{nested(5_000)}"}}',
    ]
    text = f"[{','.join(records)}]" if form == "json" else "\n".join(records)
    (tmp_path / f"a.{form}").write_text(text)
    sources = opened(f"a.{form}")
    assert sources.frame()["text"].to_list() == ["flat", "fine", "quoted"]
    [reason] = pl.concat([b.unreadable for b in sources.read_batches()])["reason"].to_list()
    assert reason == "broken JSON: nested deeper than 256 levels"


@pytest.mark.parametrize("form", ["parquet", "arrow", "jsonl"])
def test_the_longest_record_is_the_same_in_every_format(form, opened: Open, tmp_path: Path):
    frame = pl.DataFrame({"text": ["short", "x" * 2_000, "short too"], "n": [[1], [2], [3]]})
    path = tmp_path / f"a.{form}"
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "jsonl": frame.write_ndjson}[form](
        path
    )
    sources = opened(f"a.{form}", max_record_bytes=1_000)
    assert sources.frame()["text"].to_list() == ["short", "short too"]
    bad = pl.concat([b.unreadable for b in sources.read_batches()])
    assert bad["reason"].to_list() == ["longer than 1,000 bytes (max_record_bytes)"]
    assert bad["raw"].str.len_chars().item() <= 1_000
