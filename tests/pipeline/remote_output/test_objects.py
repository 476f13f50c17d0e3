"""Input and output by address."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pyarrow as pa
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_plan
from siftset.pipeline.commands.export import export_set
from siftset.pipeline.refresh import refresh
from siftset.pipeline.storage.object_store import file_system, find_objects
from siftset.schemas.errors import MissingExtraError, SourceError


def every_format(world):
    frame = pl.DataFrame({"text": ["from a Parquet file", "and a second row"]})
    for name in ("a.parquet", "b.arrow", "b2.arrow"):
        path = world.folder / name
        if name == "b2.arrow":
            with (
                pa.OSFile(str(path), "wb") as sink,
                pa.ipc.new_stream(sink, frame.to_arrow().schema) as writer,
            ):
                writer.write_table(frame.to_arrow())
        else:
            getattr(frame, "write_ipc" if "arrow" in name else "write_parquet")(path)
        world.put(f"in/{name}", path.read_bytes())
    world.put("in/deep/c.jsonl.gz", gzip.compress(b'{"text": "from a gzip file"}\n'))
    line = b'{"text": "from a zstd file"}\n'
    compressed = pa.compress(line, codec="zstd", asbytes=True)
    world.put("in/deep/d.jsonl.zst", compressed)
    world.put("in/e.csv", "text\nfrom a CSV file\n")
    world.put("in/f.txt", "from a text file\n")
    world.put("in/_hidden.txt", "not to be seen\n")
    world.put("in/_temporary/g.txt", "not to be seen\n")
    world.put("in/h.unknown", "no format is known\n")


def test_a_prefix_is_read_as_the_same_folder_is(world):
    every_format(world)
    there = curate(world.recipe(world.address("in"), output="there"))
    curate(world.recipe("local/in", output="here"))
    assert there.rows.kept >= 5
    assert world.rows("there").equals(world.rows("here"))


@pytest.mark.parametrize("asked", ["in/*.jsonl", "in/a.jsonl", "in/**/*.jsonl"])
def test_patterns_and_names_find_what_they_find_in_a_folder(world, asked):
    for name in ("in/a.jsonl", "in/b.txt", "in/sub/c.jsonl"):
        world.lines(name, f"a line of {name}")
    curate(world.recipe(world.address(asked), output="there"))
    curate(world.recipe(f"local/{asked}", output="here"))
    assert world.rows("there").height
    assert world.rows("there").equals(world.rows("here"))


def test_a_large_file_is_read_in_pieces(world):
    texts = [f"row number {n} {'x' * 500}" for n in range(40_000)]
    pl.DataFrame({"text": texts}).write_parquet(world.folder / "a.parquet", row_group_size=5_000)
    world.put("in/a.parquet", (world.folder / "a.parquet").read_bytes())
    world.lines("in/b.jsonl", *texts[:30_000])
    found = curate(world.recipe(world.address("in")))
    assert (found.rows.kept, found.rows.duplicate) == (40_000, 30_000)


def test_a_refresh_reads_what_is_new(world):
    world.lines("in/a.jsonl", "the first text")
    recipe = world.recipe(world.address("in/*.jsonl"))
    assert refresh(recipe).rows.read == 1
    assert not refresh(recipe).new
    world.lines("in/b.jsonl", "the second text", "the first text")
    found = refresh(recipe)
    assert (found.rows.read, found.rows.kept, found.rows.duplicate) == (2, 1, 1)
    world.lines("in/a.jsonl", "another first text")
    assert refresh(recipe).rows.read == 1
    assert world.rows()["text"].sort().to_list() == [
        "another first text", "the first text", "the second text",
    ]  # fmt: skip


def test_a_delta_table_in_a_store(world):
    where = world.address("table")
    pl.DataFrame({"text": ["the first text", "the second text"]}).write_delta(where)
    recipe = world.recipe("x", source={"delta": {"path": where}})
    assert curate(recipe).rows.kept == 2
    assert not curate(recipe).new
    pl.DataFrame({"text": ["the third text"]}).write_delta(where, mode="append")
    assert refresh(recipe).set_rows == 3
    with pytest.raises(SourceError, match="this is a Delta table"):
        curate(world.recipe(where, output="other"))
    gone = {"source": {"delta": {"path": world.address("nothing")}}}
    with pytest.raises(SourceError, match="cannot be opened"):
        curate(world.recipe("x", output="other", **gone))


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_export_to_a_store(world, ending):
    world.lines("in/a.jsonl", "the first text", "the second text")
    recipe = world.recipe(world.address("in"))
    curate(recipe)
    where = world.address(f"out/rows.{ending}")
    assert export_set(recipe, where) == 2
    with find_objects(where)[0].open() as stream:
        read = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[ending]
        assert read(stream.read())["text"].to_list() == ["the first text", "the second text"]


def test_the_command_names_the_address_that_it_wrote(world):
    from typer.testing import CliRunner

    from siftset.pipeline.cli import app

    world.lines("in/a.jsonl", "the first text")
    recipe = str(world.recipe(world.address("in")))
    where = world.address("rows.jsonl")
    for command in (["check", recipe], ["curate", recipe], ["export", recipe, "--out", where]):
        done = CliRunner().invoke(app, [*command, "--json"])
        assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["out"] == where
    assert [found.address for found in find_objects(where)] == [where]
    done = CliRunner().invoke(app, ["export", recipe, "--out", "ftp://host/a.csv"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_brackets_may_be_part_of_a_name(world):
    world.lines("in/br[1].jsonl", "the first text")
    world.lines("in/br1.jsonl", "the second text")
    curate(world.recipe(world.address("in/br[1].jsonl"), output="named"))
    assert world.rows("named")["text"].to_list() == ["the first text"]
    curate(world.recipe(world.address("in/b[qr]1.jsonl"), output="pattern"))
    assert world.rows("pattern")["text"].to_list() == ["the second text"]


REFUSED = [
    (["s3://{bucket}/nothing"], {}, "no object there, none that matches"),
    (["s3://{bucket}/*.csv"], {}, "no object there, none that matches"),
    (["s3://no-such-bucket-here/x"], {}, "the store cannot be reached or refuses"),
    (["s3://{bucket}/in", "local"], {}, "a source reads either one store or paths"),
    (["http://127.0.0.1/a.csv"], {}, "no store is known by 'http://'"),
    (["s3://{bucket}/in"], {"root": "s3://{bucket}/other"}, "does not lie below the root"),
]


@pytest.mark.parametrize(("paths", "files", "message"), REFUSED)
def test_a_mistake_is_told(world, paths, files, message):
    world.lines("in/a.jsonl", "the first text")

    def fill(text):
        return text.format(bucket=world.bucket)

    given = {"paths": [fill(p) for p in paths], **{k: fill(v) for k, v in files.items()}}
    with pytest.raises(SourceError, match=message):
        curate(world.recipe("x", source={"files": given}))


def test_missing_keys_and_a_server_that_is_down_are_told(world, monkeypatch, tmp_path):
    recipe = world.recipe(world.address("in"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SourceError, match="the store cannot be reached"):
        explain_plan(recipe)


def test_a_package_that_is_missing_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"siftset\[gs\]"):
        file_system("gs://bucket/x")


def test_an_object_that_is_replaced_while_it_is_read_is_told(world):
    world.lines("in/a.jsonl", "the first text")
    found = find_objects(world.address("in/a.jsonl"))[0]
    stream = found.open()
    world.lines("in/a.jsonl", "the second text")
    with pytest.raises(OSError, match=r"(?s)."):
        stream.read()
