"""Stores: input, output and the copy of a set by address, against an S3 server on loopback."""

from __future__ import annotations

import gzip
import json
import logging
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pipeline.context import CurateOptions
from pipeline.curate import curate
from pipeline.explain import explain_plan
from pipeline.export import export_set
from pipeline.objects import file_system, find_objects
from pipeline.refresh import refresh
from schemas.errors import MissingExtraError, OutputError, SourceError

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
ROOT = Path(__file__).parents[2]
PROGRAM = "from pipeline.cli import app; app()"
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    found = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    yield f"http://{host}:{port}"
    found.stop()


@pytest.fixture
def bucket(server, monkeypatch, request):
    """A bucket of the test's own, its name; the environment says where it is."""
    import boto3

    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.nodeid))}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=name)
    return name


@pytest.fixture
def world(tmp_path, bucket):
    """A recipe that reads addresses; `put` writes an object, `local` its twin on this machine."""
    return _World(tmp_path, bucket)


class _World:
    def __init__(self, folder, bucket):
        self.folder, self.bucket = folder, bucket
        self.store = file_system("s3://")

    def put(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.store.pipe_file(f"{self.bucket}/{name}", data, mode="overwrite")
        path = self.folder / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def recipe(self, *paths, output="out", **sections):
        path = self.folder / f"{output}.json"
        files = {"files": {"paths": paths}}
        path.write_text(json.dumps({
            "name": "t", "output": output, "source": files, "keep": "long", "analysis": "off",
            "signals": {"long": {"length": {"min": 3}}}, **sections,
        }))  # fmt: skip
        return path

    def address(self, name=""):
        return f"s3://{self.bucket}/{name}"

    def rows(self, output="out"):
        rows = pl.read_delta(str(self.folder / output / "set")).drop("run_id")
        return rows.sort("row_id")


def lines(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


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
    world.put("in/deep/c.jsonl.gz", gzip.compress(lines("from a gzip file").encode()))
    compressed = pa.compress(lines("from a zstd file").encode(), codec="zstd", asbytes=True)
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
        world.put(name, lines(f"a line of {name}"))
    curate(world.recipe(world.address(asked), output="there"))
    curate(world.recipe(f"local/{asked}", output="here"))
    assert world.rows("there").height
    assert world.rows("there").equals(world.rows("here"))


def test_a_large_file_is_read_in_pieces(world):
    texts = [f"row number {n} {'x' * 500}" for n in range(40_000)]
    pl.DataFrame({"text": texts}).write_parquet(world.folder / "a.parquet", row_group_size=5_000)
    world.put("in/a.parquet", (world.folder / "a.parquet").read_bytes())
    world.put("in/b.jsonl", lines(*texts[:30_000]))
    found = curate(world.recipe(world.address("in")))
    assert (found.rows.kept, found.rows.duplicate) == (40_000, 30_000)


def test_a_refresh_reads_what_is_new(world):
    world.put("in/a.jsonl", lines("the first text"))
    recipe = world.recipe(world.address("in/*.jsonl"))
    assert refresh(recipe).rows.read == 1
    assert not refresh(recipe).new
    world.put("in/b.jsonl", lines("the second text", "the first text"))
    found = refresh(recipe)
    assert (found.rows.read, found.rows.kept, found.rows.duplicate) == (2, 1, 1)
    world.put("in/a.jsonl", lines("another first text"))
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
    world.put("in/a.jsonl", lines("the first text", "the second text"))
    recipe = world.recipe(world.address("in"))
    curate(recipe)
    where = world.address(f"out/rows.{ending}")
    assert export_set(recipe, where) == 2
    with find_objects(where)[0].open() as stream:
        read = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[ending]
        assert read(stream.read())["text"].to_list() == ["the first text", "the second text"]


def test_the_command_names_the_address_that_it_wrote(world):
    from typer.testing import CliRunner

    from pipeline.cli import app

    world.put("in/a.jsonl", lines("the first text"))
    recipe = str(world.recipe(world.address("in")))
    where = world.address("rows.jsonl")
    for command in (["check", recipe], ["curate", recipe], ["export", recipe, "--out", where]):
        done = CliRunner().invoke(app, [*command, "--json"])
        assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["out"] == where
    assert [found.address for found in find_objects(where)] == [where]
    done = CliRunner().invoke(app, ["export", recipe, "--out", "ftp://host/a.csv"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_the_copy_is_the_same_table(world):
    world.put("in/a.jsonl", lines("the first text"))
    mirror = world.address("copy/set")
    recipe = world.recipe(world.address("in"), mirror=mirror)
    curate(recipe)
    world.put("in/b.jsonl", lines("the second text"))
    assert refresh(recipe).version == 1
    refresh(recipe, options=CurateOptions(dry_run=True))
    for version in (0, 1):
        there = pl.read_delta(mirror, version=version)
        here = pl.read_delta(str(world.folder / "out/set"), version=version)
        assert there.sort("row_id").equals(here.sort("row_id"))


def test_a_copy_that_was_cut_off_is_finished(world):
    world.put("in/a.jsonl", lines("the first text"))
    mirror = world.address("copy/set")
    recipe = world.recipe(world.address("in"), mirror=mirror)
    curate(recipe)
    world.put("in/b.jsonl", lines("the second text"))
    refresh(recipe)
    world.store.rm(f"{world.bucket}/copy/set/_delta_log/{1:020d}.json")
    assert pl.read_delta(mirror).height == 1
    assert not refresh(recipe).new
    assert pl.read_delta(mirror).height == 2


@pytest.mark.slow
def test_a_killed_refresh_never_leaves_half_a_copy(world):
    mirror, chance, killed = world.address("copy/set"), random.Random(0), 0
    recipe = world.recipe(world.address("in"), mirror=mirror)
    world.put("in/a.jsonl", lines("text number 0"))
    refresh(recipe)
    for number in range(1, 13):
        before = set(pl.read_delta(mirror)["text"])
        world.put(f"in/b{number}.jsonl", lines(f"text number {number}"))
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "refresh", str(recipe)], cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + chance.uniform(1.0, 4.0)
        while time.monotonic() < end and run.poll() is None:
            seen = set(pl.read_delta(mirror)["text"])
            assert seen in (before, {*before, f"text number {number}"})
        killed += run.poll() is None
        run.kill()
        run.wait()
        assert set(pl.read_delta(mirror)["text"]) in (before, {*before, f"text number {number}"})
        refresh(recipe)
        assert set(pl.read_delta(mirror)["text"]) == {*before, f"text number {number}"}
    assert killed
    here = pl.read_delta(str(world.folder / "out/set")).sort("row_id")
    assert pl.read_delta(mirror).sort("row_id").equals(here)


def test_a_machine_without_a_set_goes_on_from_the_copy(world):
    mirror = world.address("copy/set")
    world.put("in/a.jsonl", lines("the first text"))
    recipe = world.recipe(world.address("in"), mirror=mirror)
    refresh(recipe)
    world.put("in/b.jsonl", lines("the second text"))
    refresh(recipe)
    (world.folder / "out").rename(world.folder / "gone")
    found = refresh(recipe)
    assert (found.new, found.version, found.set_rows) == (False, 1, 2)
    (world.folder / "out").rename(world.folder / "gone too")
    world.put("in/c.jsonl", lines("the third text", "the first text"))
    found = refresh(recipe)
    assert (found.new, found.version, found.set_rows) == (True, 2, 3)
    assert world.rows()["row_id"].n_unique() == 3
    assert pl.read_delta(mirror).height == 3
    assert pl.read_delta(mirror, version=1).height == 2
    assert {p.name for p in (world.folder / "out").iterdir()} >= {"set", "versions", "runs"}
    assert not (world.folder / "out/.restored").exists()


def test_of_two_machines_at_once_one_is_refused(world):
    mirror = world.address("copy/set")
    world.put("in/a.jsonl", lines("the first text"))
    one = world.recipe(world.address("in"), mirror=mirror)
    two = world.recipe(world.address("in"), mirror=mirror, output="two")
    assert [refresh(one).version, refresh(two).version] == [0, 0]
    world.put("in/b.jsonl", lines("the second text"))
    assert refresh(one).version == 1
    with pytest.raises(OutputError, match="a machine that was faster"):
        refresh(two)
    assert pl.read_delta(mirror).height == 2
    (world.folder / "two").rename(world.folder / "gone")
    assert (refresh(two).new, refresh(two).version) == (False, 1)


def test_another_table_is_not_written_over(world):
    world.put("in/a.jsonl", lines("the first text"))
    mirror = world.address("copy/set")
    curate(world.recipe(world.address("in"), mirror=mirror))
    with pytest.raises(OutputError, match=r"holds another table than this set"):
        curate(world.recipe(world.address("in"), mirror=mirror, output="other"))
    assert pl.read_delta(mirror).height == 1


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
    world.put("in/a.jsonl", lines("the first text"))

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
    world.put("in/a.jsonl", lines("the first text"))
    found = find_objects(world.address("in/a.jsonl"))[0]
    stream = found.open()
    world.put("in/a.jsonl", lines("the second text"))
    with pytest.raises(OSError, match=r"(?s)."):
        stream.read()
