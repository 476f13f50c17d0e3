"""Finding files, mapping columns, prepare, limits, and the sources other than files."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from siftset.pipeline.sources import Sources, frame_source, open_sources
from siftset.schemas.errors import MissingExtraError, SourceError
from siftset.schemas.recipe.model import Recipe

Open = Callable[..., Sources]
rows = Sources.frame


def recipe(source: object, **more: object) -> Recipe:
    return Recipe.model_validate(
        {"name": "x", "output": "o", "source": source, "keep": "a", **more}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", "sub/c.csv", ".hidden.csv", "_temporary/d.csv", "sub/.x/e.csv"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text\n{name}\n")
    (tmp_path / "in/NOTES.md").write_text("x")
    return tmp_path


FOUND = [
    (["in"], ["a.csv", "b.csv", "sub/c.csv"]),
    (["in/*.csv"], ["a.csv", "b.csv"]),
    (["in/**/*.csv"], ["a.csv", "b.csv", "sub/c.csv"]),
    (["in/b.csv", "in/a.csv", "in/*.csv"], ["b.csv", "a.csv"]),
    (["in/[ab].csv"], ["a.csv", "b.csv"]),
]


@pytest.mark.parametrize(("paths", "names"), FOUND)
def test_files_are_found_in_order(paths, names, folder, opened):
    sources = opened(*paths)
    assert rows(sources)["text"].to_list() == names
    assert rows(sources)["source"].struct.field("file").to_list() == names


def test_a_file_without_a_format_in_a_folder_is_said(folder: Path, opened: Open):
    assert opened("in").warnings == (
        f"{folder / 'in'}: 1 file skipped, their endings name no format",
    )
    assert rows(opened("in", format="lines")).height == 7


def test_ids_do_not_depend_on_what_else_matches(folder: Path, opened: Open):
    before = rows(opened("in/**/*.csv"))
    (folder / "in/sub/c.csv").unlink()
    assert rows(opened("in/**/*.csv")).equals(before.head(2))


def test_columns_are_mapped_and_collisions_renamed(opened: Open, tmp_path: Path):
    pl.DataFrame(
        {"body": ["a"], "stars": [5], "key": [9], "text": ["t"], "label": ["l"], "split": ["s"]}
    ).write_parquet(tmp_path / "a.parquet")
    sources = opened("a.parquet", text="body", label="stars", id="key")
    assert sources.schema == {
        "text": pl.String,
        "label": pl.Int64,
        "id": pl.Int64,
        "source_column_text": pl.String,
        "source_column_label": pl.String,
        "source_column_split": pl.String,
    }
    assert rows(sources).row(0)[2:] == ("a", 5, 9, "t", "l", "s")
    assert any("column 'split' is stored as 'source_column_split'" in w for w in sources.warnings)


def test_parquet_files_agree_by_name(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a"], "n": pl.Series([1], dtype=pl.Int32)}).write_parquet(
        tmp_path / "a.parquet"
    )
    pl.DataFrame({"more": [None], "n": [2**40], "text": ["b"]}).write_parquet(
        tmp_path / "b.parquet"
    )
    sources = opened("a.parquet", "b.parquet")
    assert sources.schema == {"text": pl.String, "n": pl.Int64, "more": pl.String}
    assert rows(sources).select("text", "n", "more").rows() == [("a", 1, None), ("b", 2**40, None)]


TYPED = [
    ("v\n1\n-2\n\n", pl.Int64),
    ("v\n1\n2.5\n", pl.Float64),
    ("v\n1.10\n1.2\n", pl.String),
    ("v\n1e3\n", pl.String),
    ("v\n12345e67\n", pl.String),
    ("v\n4e999\n", pl.String),
    ("v\n1.2e-05\n1e+22\n3.0\n", pl.Float64),
    ("v\n9007199254740993\n2\n", pl.Int64),
    ("v\n9007199254740993\n2.5\n", pl.String),
    ("v\n0.1234567890123456789\n", pl.String),
    ("v\n1e-4\n", pl.Float64),
    ("v\nTrue\nfalse\n", pl.Boolean),
    ("v\n007\n", pl.String),
    ("v\n+1\n", pl.String),
    ("v\n1\n99999999999999999999\n", pl.String),
    ("v\n1\ntrue\n", pl.String),
    ('v\n1\n""\n', pl.String),
    ("v\n\n\n", pl.String),
    ("v\n2024-01-02\n", pl.String),
]


@pytest.mark.parametrize(("text", "dtype"), TYPED)
def test_csv_types_are_those_of_the_whole_source(text, dtype, opened, tmp_path):
    lines = text.splitlines()
    (tmp_path / "a.csv").write_text("text,w\nx,1\n")
    (tmp_path / "b.csv").write_text("\n".join(["text,v", *(f"x,{line}" for line in lines[1:])]))
    sources = opened("a.csv", "b.csv")
    assert sources.schema["v"] == dtype
    assert rows(sources).schema["v"] == dtype


def test_text_stays_as_it_was_written(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,n\n1.50,1\n007,2\nTrue,3\n")
    assert rows(opened("a.csv"))["text"].to_list() == ["1.50", "007", "True"]


def test_empty_is_null_and_quoted_empty_is_text(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text('text,n\n"",1\n,2\n')
    assert rows(opened("a.csv"))["text"].to_list() == ["", None]


PREPARED = [
    ({"collapse_space": True}, "  Q: a\t b\u00a0c ", "Q: a b c"),
    ({"strip_prefix": "Q: "}, "Q: Q: QQ", "Q: QQ"),
    ({"strip_prefix": "Q: "}, ": Q a", ": Q a"),
    ({"strip_prefix": "Q: ", "collapse_space": True}, " Q:  a", "a"),
    ({"unicode": "NFC"}, "e\u0301", "\u00e9"),
    ({"columns": {"text": "body"}, "collapse_space": True}, "a  b", "a b"),
]


@pytest.mark.parametrize(("prepare", "before", "after"), PREPARED)
def test_prepare(prepare, before, after, opened, tmp_path):
    name = prepare.get("columns", {}).get("text", "text")
    pl.DataFrame({name: [before, None], "other": [before, "x"]}).write_parquet(
        tmp_path / "a.parquet"
    )
    found = rows(opened("a.parquet", prepare=prepare))
    assert found["text"].to_list() == [after, None]
    assert found["other"].to_list() == [before, "x"]
    raw = rows(opened("a.parquet", text=name))["row_id"]
    assert found["row_id"].equals(raw)


@pytest.mark.parametrize("new", ["n", "split", "text"])
def test_prepare_takes_no_name_twice(new, opened, tmp_path):
    pl.DataFrame({"text": ["a"], "n": [1], "m": [1]}).write_parquet(tmp_path / "a.parquet")
    if new == "n":
        assert opened("a.parquet", prepare={"columns": {"n": "m"}}).schema == {
            "text": pl.String,
            "source_column_n": pl.Int64,
            "n": pl.Int64,
        }
        return
    with pytest.raises(SourceError, match=f"the name '{new}' is taken"):
        opened("a.parquet", prepare={"columns": {new: "m"}})


def test_prepare_names_a_column_that_is_not_there(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"prepare.columns: no column 'q'; the source has text"):
        opened("a.parquet", prepare={"columns": {"question": "q"}})


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 99])
def test_take_counts_records_over_files(limit, opened, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text":"a"}\nbroken\n{"text":"b"}\n')
    (tmp_path / "b.csv").write_text("text\nc\nd\n")
    sources = opened("a.jsonl", "b.csv", prepare={"take": limit})
    assert sources.records == min(limit, 5)
    expected = [("a", 0), ("b", 2), ("c", 0), ("d", 1)][: max(1, limit - 1)]
    found = rows(sources)
    numbers = found["source"].struct.field("record").to_list()
    assert list(zip(found["text"], numbers, strict=True)) == expected


def test_sources_are_read_in_order(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,n\na,1\n")
    (tmp_path / "b.csv").write_text("text,n\nb,x\n")
    both = [{"files": {"name": n, "paths": [f"{n}.csv"]}} for n in "ba"]
    sources = open_sources(recipe(both), tmp_path)
    assert rows(sources).select("text", "n").rows() == [("b", "x"), ("a", "1")]
    with pytest.raises(SourceError, match="two sources are named 'files'"):
        open_sources(recipe([{"files": {"paths": ["a.csv"]}}] * 2), tmp_path)


def test_compressed_files_of_every_kind(opened: Open, tmp_path: Path):
    frame = pl.DataFrame({"text": ["a", "b"], "n": [1, 2]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc_stream(tmp_path / "a.arrow")
    frame.write_csv(tmp_path / "a.csv")
    expected = rows(opened("a.parquet"))["row_id"]
    for name in ("a.parquet", "a.arrow", "a.csv"):
        data = (tmp_path / name).read_bytes()
        half = len(data) // 2
        (tmp_path / f"{name}.gz").write_bytes(
            gzip.compress(data[:half]) + gzip.compress(data[half:])
        )
        with pa.CompressedOutputStream(str(tmp_path / f"{name}.zst"), "zstd") as stream:
            stream.write(data)
        for ending in ("", ".gz", ".zst"):
            assert rows(opened(name + ending))["row_id"].equals(expected), name + ending


def test_a_whole_file_is_one_row(opened: Open, tmp_path: Path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert rows(opened("a.txt", format="text"))["text"].to_list() == ["one\ntwo\n"]


def test_inputs_are_identified_by_content_not_by_place(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text\na\n")
    one = opened("a.csv")
    assert one.inputs == opened("a.csv").inputs
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.csv").write_text("text\na\n")
    same = opened("sub/a.csv")
    assert same.inputs == one.inputs
    assert same.shards[0].fingerprint == one.shards[0].fingerprint
    (tmp_path / "a.csv").write_text("text\nb\n")
    other = opened("a.csv")
    assert other.inputs != one.inputs
    assert other.shards[0].fingerprint != one.shards[0].fingerprint


def test_a_version_of_a_delta_table(tmp_path: Path):
    frame = pl.DataFrame({"text": ["a", "b"], "n": [1, 2]})
    frame.write_delta(str(tmp_path / "t a"))
    frame.write_delta(str(tmp_path / "t a"), mode="append")
    frame.head(1).write_delta(str(tmp_path / "t a"), mode="overwrite")
    latest = open_sources(recipe({"delta": {"path": "t a"}}), tmp_path)
    assert rows(latest)["text"].to_list() == ["a"]
    earlier = open_sources(recipe({"delta": {"path": "t a", "version": 1}}), tmp_path)
    assert rows(earlier)["source"].struct.field("record").to_list() == [0, 1, 2, 3]
    assert rows(earlier)["row_id"].n_unique() == 4
    assert earlier.inputs[0]["fingerprint"] != latest.inputs[0]["fingerprint"]


def test_row_ids_of_a_delta_table_survive_compaction(tmp_path: Path):
    from deltalake import DeltaTable

    for _ in range(3):
        pl.DataFrame({"text": ["a", "b"]}).write_delta(str(tmp_path / "t"), mode="append")
    before = rows(open_sources(recipe({"delta": {"path": "t"}}), tmp_path))["row_id"].sort()
    DeltaTable(str(tmp_path / "t")).optimize.compact()
    after = open_sources(recipe({"delta": {"path": "t"}}), tmp_path)
    assert len(after.shards) == 1
    assert rows(after)["row_id"].sort().equals(before)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "nope"}, "Delta table .*nope: cannot be opened"),
        ({"path": "t", "version": 9}, "cannot be opened at version 9"),
        ({"path": "parted"}, "it is partitioned"),
    ],
)
def test_delta_tables_that_cannot_be_read(config, message, tmp_path):
    frame = pl.DataFrame({"text": ["a"], "n": [1]})
    frame.write_delta(str(tmp_path / "t"))
    frame.write_delta(str(tmp_path / "parted"), delta_write_options={"partition_by": ["n"]})
    with pytest.raises(SourceError, match=message):
        open_sources(recipe({"delta": config}), tmp_path)


def test_the_hub_without_its_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r'pip install "siftset\[hub\]"'):
        open_sources(recipe({"hub": {"name": "imdb"}}), tmp_path)


def test_a_folder_in_the_manner_of_the_hub(monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    frame = pl.DataFrame({"text": ["a", "b", "a"], "n": [1, 2, 1]})
    frame.write_parquet(tmp_path / "set/train.parquet")
    frame.head(1).write_parquet(tmp_path / "set/test.parquet")
    config = {"name": str(tmp_path / "set"), "split": "train"}
    found = rows(open_sources(recipe({"hub": config}), tmp_path))
    assert found["text"].to_list() == ["a", "b", "a"]
    assert found["row_id"].n_unique() == 3
    with pytest.raises(SourceError, match=r"hub dataset .* cannot be loaded \(.*nosplit"):
        open_sources(recipe({"hub": {**config, "split": "nosplit"}}), tmp_path)


@pytest.mark.parametrize("arrow", [False, True])
def test_a_frame_is_a_source(arrow):
    frame = pl.DataFrame({"body": ["a", "b", "a"], "n": [1, None, 1]})
    wanted = recipe({"files": {"paths": ["unused"], "text": "body"}})
    sources = frame_source(frame.to_arrow() if arrow else frame, wanted)
    found = rows(sources)
    assert found["text"].to_list() == ["a", "b", "a"]
    assert found["row_id"].n_unique() == 3
    assert rows(frame_source(frame, wanted, limit=2)).equals(found.head(2))
    changed = frame_source(frame.with_columns(n=5), wanted)
    assert changed.inputs[0]["fingerprint"] != sources.inputs[0]["fingerprint"]


def test_a_frame_without_rows_or_text_is_an_error():
    wanted = recipe({"synthesize": {"lexicon": "nike"}})
    with pytest.raises(SourceError, match="the frame has no rows"):
        frame_source(pl.DataFrame({"text": []}), wanted)
    with pytest.raises(SourceError, match="no column 'text'"):
        frame_source(pl.DataFrame({"body": ["a"]}), wanted)


@pytest.mark.parametrize("empty", ['{"text": "a", "n": null}\n', '{"text": "a"}\n'])
def test_a_column_without_values_takes_the_type_of_another_source(tmp_path, empty):
    (tmp_path / "a.jsonl").write_text(empty)
    (tmp_path / "b.jsonl").write_text('{"text": "b", "n": 7, "m": null}\n')
    named = [{"files": {"name": name, "paths": [f"{name}.jsonl"]}} for name in ("a", "b")]
    sources = open_sources(recipe(named), tmp_path)
    assert sources.schema["n"] == pl.Int64
    assert sources.schema["m"] == pl.String
    assert rows(sources).select("text", "n", "m").rows() == [("a", None, None), ("b", 7, None)]


def test_more_columns_than_a_page_can_show_are_refused(opened: Open, tmp_path: Path):
    names = ",".join(f"c{number}" for number in range(10_000))
    (tmp_path / "a.csv").write_text(f"text,{names}\n")
    with pytest.raises(SourceError, match="10,001 columns, expected at most 10,000"):
        opened("a.csv")


WIDTHS = [
    (pl.Int32, pl.Int64, pl.Int64),
    (pl.Int16, pl.Float64, pl.Float64),
    (pl.Float32, pl.Float64, pl.Float64),
    (pl.Int64, pl.String, pl.String),
    (pl.Date, pl.Date, pl.Date),
]


@pytest.mark.parametrize(("one", "other", "both"), WIDTHS)
def test_numbers_of_two_sources_stay_numbers(tmp_path, one, other, both):
    for name, dtype in (("a", one), ("b", other)):
        values = pl.Series([7]).cast(dtype)
        pl.DataFrame({"text": [name], "n": values}).write_parquet(tmp_path / f"{name}.parquet")
    named = [{"files": {"name": name, "paths": [f"{name}.parquet"]}} for name in ("a", "b")]
    sources = open_sources(recipe(named), tmp_path)
    assert sources.schema["n"] == both
    assert rows(sources)["n"].n_unique() == 1
