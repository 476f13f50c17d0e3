"""Row ids depend on the record alone: not on format, batches, types of columns or other files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.sources import Sources, batch, open_sources
from siftset.pipeline.sources.formats import columnar, streams
from siftset.pipeline.sources.occurrences import OccurrenceCounter, earlier_in_parts
from siftset.pipeline.sources.row_ids import canonical_text, content_hashes, hex_ids
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.columns import SOURCE

Open = Callable[..., Sources]
rows = Sources.frame

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "arrow")


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Write a frame in the format of the path's ending."""
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case ".jsonl":
            frame.write_ndjson(path)
        case ".json":
            frame.write_json(path)
        case ".parquet":
            frame.write_parquet(path, row_group_size=7)
        case ".arrow":
            frame.write_ipc(path, record_batch_size=7)
    return path


def compress(path: Path) -> Path:
    """Return a zstd copy of a file, which is removed."""
    packed = path.with_name(f"{path.name}.zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as stream:
        stream.write(path.read_bytes())
    path.unlink()
    return packed


# As the C library xxHash 0.8 gives them (xxh128_hexdigest).
VECTORS = [
    ("", "99aa06d3014798d86001c324468d497f"),
    ("a", "a96faf705af16834e6c632b61e964e1f"),
    ("abc", "06b05ab6733a618578af5f94892f3950"),
]


@pytest.mark.parametrize(("text", "digest"), VECTORS)
def test_the_hash_is_xxh3_128(text, digest):
    assert hex_ids(pl.Series([text])).to_list() == [digest]


def test_ids_are_frozen(opened: Open, tmp_path: Path):
    frame = pl.DataFrame({"text": ["a", "b", "a", None], "n": [1, 2, 1, 4], "x": [0.5, 1, 0.5, 0]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert rows(opened("a.parquet"))["row_id"].to_list() == FROZEN
    by_id = [hex_ids(pl.Series([f"files\0i\0{n}"])).item() for n in (1, 2, 1, 4)]
    assert rows(opened("a.parquet", id="n"))["row_id"].to_list() == by_id


FROZEN = [
    "a766a65870513dc5fee5a946b466121f",
    "ceb01d5a2956d356be5c81bd84596615",
    "15168f08d83e788e6a1ea000e351af6f",
    "e70f2680e5d01e76de85ea417f01e41a",
]


def test_formats_give_the_same_ids_for_real_text(corpora: Path, opened: Open, tmp_path: Path):
    frame = pl.read_parquet(corpora / "pros_cons.parquet")
    found = {}
    for number, name in enumerate(("p.csv", "p.jsonl", "p.parquet", "p.tsv")):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(frame, folder / name)
        path = compress(path) if name == "p.jsonl" else path
        found[name] = rows(opened(str(path)))
    assert found["p.csv"].height == 45_875
    for name in found:
        assert found[name].drop("source").equals(found["p.csv"].drop("source")), name
    assert found["p.csv"]["row_id"].n_unique() == 45_875


texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
) | st.sampled_from(["1", "1.0", "1e2", "-0", "007", "+1", "true", "True", "null", "NaN", '"', " "])
columns = {
    "text": st.none() | texts,
    "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
    "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.none() | st.booleans(),
    "other": st.none() | texts,
}
TYPES = {"text": pl.String, "whole": pl.Int64, "real": pl.Float64, "flag": pl.Boolean}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=20))
def test_formats_give_the_same_ids(tmp_path_factory, records):
    frame = pl.DataFrame(records, schema={**TYPES, "other": pl.String})
    tmp_path = tmp_path_factory.mktemp("ids")
    ids = {}
    for form in FORMATS:
        write(frame, tmp_path / f"a.{form}")
        recipe = Recipe.model_validate(
            {
                "name": "x",
                "output": "o",
                "source": {"files": {"paths": [f"a.{form}"]}},
                "keep": "a",
            }
        )
        got = rows(open_sources(recipe, tmp_path))
        ids[form] = got["row_id"].to_list()
        assert got["text"].to_list() == frame["text"].to_list(), form
    assert all(found == ids["parquet"] for found in ids.values()), ids
    assert len(set(ids["parquet"])) == frame.height


def test_dates_and_narrow_types_have_one_text():
    frame = pl.DataFrame(
        {
            "day": [date(2024, 1, 2)],
            "time": [datetime(2024, 1, 2, 3, 4, 5)],
            "small": pl.Series([0.1], dtype=pl.Float32),
            "count": pl.Series([3], dtype=pl.UInt8),
            "kind": pl.Series(["a"], dtype=pl.Categorical),
        }
    )
    written = pl.DataFrame(
        {
            "day": ["2024-01-02"],
            "time": ["2024-01-02T03:04:05.000000"],
            "small": [0.1],
            "count": [3.0],
            "kind": ["a"],
        }
    )
    assert (content_hashes(frame) == content_hashes(written)).all()


CANONICAL = [
    (
        pl.Series([1.0, 0.5, -0.0, 1e300, 2.0**53]),
        ["1", "0.5", "0", "1e+300", "9007199254740992.0"],
    ),
    (pl.Series([1, 2**53 + 1]), ["1", "9007199254740993"]),
    (
        pl.Series(["1.0", "1.50", "-0", "1e2", "007", "+1", "True"]),
        ["1", "1.5", "0", "100", "007", "+1", "true"],
    ),
    (pl.Series([True, None]), ["true", None]),
    (pl.Series([None, None]), [None, None]),
    (pl.Series([[1, 2], None]), ["[1,2]", None]),
    (pl.Series([{"a": "}"}, {"a": None}]), ['{"a":"}"}', '{"a":null}']),
]


@pytest.mark.parametrize(("values", "texts"), CANONICAL)
def test_canonical_text(values, texts):
    assert canonical_text(values).to_list() == texts


def test_a_null_counts_as_absent_and_order_of_columns_does_not_count():
    one = pl.DataFrame({"a": ["x"], "b": [None], "c": [1]})
    other = pl.DataFrame({"c": [1], "a": ["x"]})
    assert content_hashes(one) == content_hashes(other)
    assert content_hashes(other) != content_hashes(other.rename({"a": "c", "c": "a"}))


def test_a_value_that_widens_a_column_leaves_the_other_ids_alone(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,n\na,1\nb,2.50\n")
    before = rows(opened("a.csv", root="."))["row_id"].to_list()
    (tmp_path / "b.csv").write_text("text,n,more\nc,many,1\n")
    after = rows(opened("a.csv", "b.csv", root="."))
    assert after["row_id"].to_list()[:2] == before
    assert after["n"].to_list() == ["1", "2.50", "many"]


def test_equal_records_of_a_file_are_told_apart_whatever_the_parts(
    opened: Open, tmp_path: Path, monkeypatch
):
    values = np.random.default_rng(3).integers(0, 40, 2_000)
    frame = pl.DataFrame({"text": [f"t{v}" for v in values]})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=130)
    whole = opened("a.parquet")
    assert len(whole.shards) == 1
    ids = rows(whole)["row_id"]
    assert ids.n_unique() == 2_000
    monkeypatch.setattr(columnar, "PART_ROWS", 300)
    monkeypatch.setattr(columnar, "BATCH_ROWS", 77)
    parts = opened("a.parquet")
    assert len(parts.shards) == 6
    backwards = [rows_of(shard) for shard in reversed(parts.shards)][::-1]
    assert pl.concat(backwards)["row_id"].equals(ids)
    sent = [pickle.loads(pickle.dumps(shard)) for shard in parts.shards]
    assert pl.concat([rows_of(shard) for shard in sent])["row_id"].equals(ids)


def rows_of(shard: batch.Shard) -> pl.DataFrame:
    return pl.concat([b.frame for b in shard.read_batches()])


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_blocks_do_not_change_rows(form, opened, tmp_path, monkeypatch):
    frame = pl.DataFrame(
        {
            "text": [f'line "{i}"\nof, {i % 7}' for i in range(300)],
            "mixed": [str(i) if i % 50 else "x" for i in range(300)],
            "real": [i / 4 for i in range(300)],
        }
    )
    write(frame, tmp_path / f"a.{form}")
    whole = rows(opened(f"a.{form}"))
    for size in (50, 1_000):
        for function in (streams.read_blocks, streams.text_blocks):
            monkeypatch.setattr(function, "__kwdefaults__", {"size": size})
        assert rows(opened(f"a.{form}")).equals(whole)


def test_a_column_of_several_kinds_is_text_whatever_the_blocks(opened, tmp_path, monkeypatch):
    lines = ['{"text":"a","v":1.0}'] * 5 + ['{"text":"a","v":"x"}', '{"text":"a","v":{"k":[1, 2]}}']
    lines += [
        '{"text":"a","v":true}',
        '{"text":"a","v":2}',
        '{"text":"a","v":12345678901234567890}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    expected = ["1"] * 5 + ["x", '{"k":[1,2]}', "true", "2", "12345678901234567890"]
    ids = []
    for size in (30, 4 * 2**20):
        for function in (streams.read_blocks, streams.text_blocks):
            monkeypatch.setattr(function, "__kwdefaults__", {"size": size})
        found = rows(opened("a.jsonl"))
        assert found["v"].to_list() == expected
        ids.append(found["row_id"].to_list())
    assert ids[0] == ids[1]


def test_the_name_of_the_source_and_the_file_count(opened: Open, tmp_path: Path):
    for name in ("a.csv", "b.csv", "c/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\nx\n")
    ids = [
        rows(opened("a.csv"))["row_id"].item(),
        rows(opened("b.csv"))["row_id"].item(),
        rows(opened("c/a.csv", root="."))["row_id"].item(),
        rows(opened("a.csv", name="mine"))["row_id"].item(),
    ]
    assert len(set(ids)) == 4
    assert rows(opened("c/a.csv"))["row_id"].item() == ids[0]


INTEGERS = [[1], ["1"], [1.0]]


@pytest.mark.parametrize("ids", INTEGERS)
def test_an_integer_is_one_id_whatever_the_type_of_its_column(ids, opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a"], "n": ids}).write_parquet(tmp_path / "a.parquet")
    [found] = rows(opened("a.parquet", id="n"))["row_id"].to_list()
    assert found == hex_ids(pl.Series(["files\0i\0" + "1"])).item()


def test_an_id_column_that_becomes_text_leaves_the_ids_alone(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,text\n1,a\n2,b\n")
    before = rows(opened("a.csv", id="id", root="."))["row_id"].to_list()
    (tmp_path / "b.csv").write_text("id,text\nA7,c\n")
    after = rows(opened("a.csv", "b.csv", id="id", root="."))
    assert after["row_id"].to_list()[:2] == before
    assert after["id"].to_list() == ["1", "2", "A7"]


DISTINCT = [
    ["1.1", "1.10", "1"],
    ["12e4567890", "34e9999999", "1e3", "1000"],
    ["9007199254740993", "9007199254740992", "1.5"],
    ["1790000000000000001", "1790000000000000100"],
    ["007", "7", "+7"],
    ["true", "TRUE", "1"],
    ["0.1", "0.10000000000000000001"],
]


@pytest.mark.parametrize("ids", DISTINCT)
@pytest.mark.parametrize("form", FORMATS)
def test_ids_are_told_apart_as_they_are_written(form, ids, opened: Open, tmp_path: Path):
    frame = pl.DataFrame({"id": ids, "text": ids})
    write(frame, tmp_path / f"a.{form}")
    found = rows(opened(f"a.{form}", id="id"))
    assert found["row_id"].n_unique() == len(ids)
    assert found["id"].cast(pl.String).to_list() == ids


def test_large_numbers_of_json_are_told_apart(opened: Open, tmp_path: Path):
    numbers = [2**53 + 1, 2**53, "1e400", "2e400", 1.5, 2**63, 2**63 + 1]
    lines = [f'{{"id":{n},"text":"t"}}' for n in numbers]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = rows(opened("a.jsonl", id="id"))
    assert found["row_id"].n_unique() == len(numbers)
    assert found["id"].to_list() == [str(n) for n in numbers]


def test_contents_that_only_floats_confuse_are_told_apart(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text(
        "id,text,n\n1,a,9007199254740993\n2,a,9007199254740992\n3,a,12e4567890\n4,a,34e9999999\n"
    )
    [got] = [b for shard in opened("a.csv").shards for b in shard.read_batches()]
    assert got.content.n_unique() == 4


def test_a_missing_number_is_no_id(opened: Open, tmp_path: Path):
    frame = pl.DataFrame({"n": [1.0, float("nan"), 3.0, None], "text": list("abcd")})
    frame.write_parquet(tmp_path / "a.parquet")
    sources = opened("a.parquet", id="n")
    assert rows(sources)["text"].to_list() == ["a", "c"]
    assert pl.concat([b.unreadable for b in sources.read_batches()]).height == 2


hashes = st.lists(st.integers(0, 12) | st.integers(0, 2**64 - 1), max_size=60)


@given(st.lists(hashes, max_size=6))
def test_occurrences_are_counted_in_order(batches):
    counter = OccurrenceCounter()
    seen: dict[int, int] = {}
    for values in batches:
        counts = counter.count(np.array(values, dtype=np.uint64))
        for value, count in zip(values, counts.tolist(), strict=True):
            assert count == seen.get(value, 0)
            seen[value] = count + 1


@given(st.lists(hashes, max_size=5))
def test_parts_know_what_earlier_parts_hold(parts):
    arrays = [np.array(part, dtype=np.uint64) for part in parts]
    whole = OccurrenceCounter()
    for array, earlier in zip(arrays, earlier_in_parts(arrays), strict=True):
        alone = OccurrenceCounter(earlier)
        assert (alone.count(array) == whole.count(array)).all()


def test_many_hashes_outgrow_the_table_of_marks():
    values = np.random.default_rng(5).integers(0, 2**63, 400_000, dtype=np.uint64)
    counter = OccurrenceCounter()
    for start in range(0, 400_000, 50_000):
        assert not counter.count(values[start : start + 50_000]).any()
    assert (counter.count(values[:1_000]) == 1).all()
    assert (counter.count(values[500:1_500]) == np.repeat([2, 1], 500)).all()


def test_content_tells_equal_records_from_others(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a", "a", "b"], "n": [1, 1, 1]}).write_parquet(tmp_path / "a.parquet")
    [got] = [b for shard in opened("a.parquet", id="n").shards for b in shard.read_batches()]
    assert got.frame["row_id"].n_unique() == 1
    assert got.content.n_unique() == 2
    assert got.frame.schema["source"] == SOURCE


def test_xxh3_64_of_the_plugin_is_stable():
    found = pl.DataFrame({"x": ["abc"]}).select(plh.col("x").nchash.xxh3_64()).item()
    assert found == 0x78AF5F94892F3950
