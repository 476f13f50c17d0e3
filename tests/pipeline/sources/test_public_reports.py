"""Inputs that other readers got wrong, as their public reports tell, and what is read here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siftset.pipeline.sources import Sources

Open = Callable[..., Sources]

BIG = ["11898508762506083287", "3266119658877827603", "9104209908849226329"]
DIGITS = "21602730330000060100100000358582"
FLOATS = [0.41718530654907227, 0.8205649852752686, 33.89829730987549]

CASES: dict[str, tuple[str, str, list[object]]] = {
    "readr 976": ("a.csv", "v\n" + "\n".join(BIG), list(BIG)),
    "pandas 12340": (
        "a.csv",
        "v\n6144039378640938.000000\n6145000614093866.000000",
        ["6144039378640938.000000", "6145000614093866.000000"],
    ),
    "pandas 48170": ("a.csv", "v,w\n,1\n1234567890123456789,", [None, 1234567890123456789]),
    "pandas 2697": (
        "a.csv",
        "v\n135217135789158401\n1352171357E+5",
        ["135217135789158401", "1352171357E+5"],
    ),
    "pandas 5697": ("a.csv", "v\n1111111111111111111", [1111111111111111111]),
    "spark-csv 292": ("a.csv", f"v\n{DIGITS}", [DIGITS]),
    "CSV.jl 1082": ("a.tsv", f"v\tw\n{2**100}\t{2**64 + 1}", [str(2**100)]),
    "pandas 32453": (
        "a.csv",
        "v,w\n,1577134800018164904\n1577134800018226901,2",
        [None, 1577134800018226901],
    ),
    "cudf 1109": ("a.csv", "v\n" + "\n".join(map(str, FLOATS)), list(FLOATS)),
    "pandas 40992": (
        "a.jsonl",
        '{"v":"1344800117571260417"}\n{"v":"1344900117571260918"}',
        ["1344800117571260417", "1344900117571260918"],
    ),
    "jsonlite 405": ("a.jsonl", '{"v":1413617112501850121}', [1413617112501850121]),
    "ingestr 1156": (
        "a.jsonl",
        '{"v":9007199254740993}\n{"v":0.5}',
        ["9007199254740993", "0.5"],
    ),
    "visidata 2131": ("a.jsonl", '{"v":0}\n{"v":0.1}', [0.0, 0.1]),
    "league csv 586": ("a.csv", '\ufeff"v","w"\n"a,b\nc",1', ["a,b\nc"]),
    "csvlint 37": ("a.csv", '\ufeff"v"\n"x"', ["x"]),
    "arrow-rs 778": ("a.csv", "v\n2021-09-14T10:00:00", ["2021-09-14T10:00:00"]),
    "pandas 22256": ("a.csv", "v\n2018-01-04 09:01:00+09:00", ["2018-01-04 09:01:00+09:00"]),
    "Vibe-Trading 619": (
        "a.csv",
        "v\n2026-01-05T09:30:00-05:00\n2026-07-06T09:30:00-04:00",
        ["2026-01-05T09:30:00-05:00", "2026-07-06T09:30:00-04:00"],
    ),
    "OpenViking 3984": ("a.jsonl", '{"v":"a\u2028b"}\n{"v":"c"}', ["a\u2028b", "c"]),
    "agent-sweep 228": ("a.jsonl", '{"v":"a\x85b"}\n{"v":"c"}', ["a\x85b", "c"]),
    "birdclaw 61": ("a.jsonl", '{"v":"free)\u2029https://a.b"}', ["free)\u2029https://a.b"]),
    "Equibles 3458": ("a.csv", 'v,w\r\n"line1\r\nline2",x\r\n', ["line1\r\nline2"]),
    "clojurescript.csv 24": ("a.csv", 'v,w\r\n"a\nb",x\r\nc,y\r\n', ["a\nb", "c"]),
    "pandas 32084": ("a.csv", "v,w\nnull,x\nNone,y\nNaN,z", ["null", "None", "NaN"]),
    "OasisLMF 308": ("a.csv", "v,w\nNA,x\n1,y", ["NA", "1"]),
    "DataFrames.jl 294": ("a.csv", 'v,w\n"NA",x\n"",y', ["NA", ""]),
    "csvkit 977": ("a.csv", "v\n02134\n10001", ["02134", "10001"]),
    "molgenis-service-armadillo 1029": ("a.csv", "v\n-007\n00\n5", ["-007", "00", "5"]),
    "geojson.io 324": ("a.csv", "v\n01730\n01730-2603", ["01730", "01730-2603"]),
    "datagrunt 87": ("a.csv", 'w,v\nalice,"line1\nline2"\nbob,"hello"', ["line1\nline2", "hello"]),
}


@pytest.mark.parametrize(("name", "text", "values"), CASES.values(), ids=CASES)
def test_values_survive(name, text, values, opened: Open, tmp_path: Path):
    (tmp_path / name).write_bytes(text.encode())
    sources = opened(name, prepare={"columns": {"text": "w" if "w" in text else "v"}})
    assert sources.records == len(values)
    found = sources.frame()
    assert found["v" if "v" in found.columns else "text"].to_list() == values


def test_a_column_that_is_null_in_one_file(opened: Open, tmp_path: Path):
    """NVTabular 429, cudf 5062: files that agree but for their nulls."""
    pl.DataFrame({"text": ["a"], "v": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"text": ["b"], "v": [None]}).write_parquet(tmp_path / "b.parquet")
    assert opened("a.parquet", "b.parquet").frame()["v"].to_list() == [1, None]


EMPTY = [
    ([[1, 2]], [[]], [[1, 2], []]),
    ([{"a": 1, "b": ["x"]}], [{"a": None, "b": []}], [{"a": 1, "b": ["x"]}, {"a": None, "b": []}]),
    ([[]], [[]], [[], []]),
    ([None], [None], [None, None]),
]


@pytest.mark.parametrize(("one", "other", "both"), EMPTY)
def test_lists_and_structs_that_are_empty_in_one_file(one, other, both, opened, tmp_path):
    """An empty list has no type of its own."""
    for name, value in (("a", one), ("b", other)):
        table = pa.table({"text": [name], "v": pa.array(value)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    assert opened("a.parquet", "b.parquet").frame()["v"].to_list() == both
    assert opened("b.parquet", "a.parquet").frame()["v"].to_list() == both[::-1]


def test_dictionaries_of_two_files(opened: Open, tmp_path: Path):
    """turbodbc 185, datafusion 20041: dictionaries of other values, and plain text beside them."""
    for name, value in (("a", "x"), ("b", "y")):
        frame = pl.DataFrame({"text": [name], "v": [value]}, schema_overrides={"v": pl.Categorical})
        frame.write_parquet(tmp_path / f"{name}.parquet")
    pl.DataFrame({"text": ["c"], "v": ["z"]}).write_parquet(tmp_path / "c.parquet")
    found = opened("a.parquet", "b.parquet", "c.parquet").frame()
    assert found["v"].to_list() == ["x", "y", "z"]


def test_ids_that_some_collations_take_for_equal(opened: Open, tmp_path: Path):
    """EntityFramework-Plus 743: a superscript three is another key than a three."""
    (tmp_path / "a.csv").write_text("id,text\n\u00b3,a\n3,b\n\uff13,c\n", encoding="utf-8")
    assert opened("a.csv", id="id").frame()["row_id"].n_unique() == 3
