"""The same by gs:// and az://, where an emulator of such a store is installed.

az: adlfs, and Azurite (`azurite-blob` on the PATH). gs: gcsfs and gcp-storage-emulator.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.export import export_set
from siftset.pipeline.refresh import refresh
from siftset.pipeline.refresh.versions import list_history
from siftset.pipeline.storage.object_store import find_objects
from siftset.schemas.errors import OutputError, SourceError

ACCOUNT, KEY = (
    "devstoreaccount1",
    ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="),
)
"""The account that every Azurite has, as its documentation gives it."""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    pytest.importorskip("adlfs")
    program, port = shutil.which("azurite-blob"), free_port()
    if program is None:
        pytest.skip("azurite-blob is not installed")
    place = tmp_path_factory.mktemp("azurite")
    server = subprocess.Popen(
        [program, "--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1",
         "--blobPort", str(port), "--location", str(place)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(300):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def gcs():
    """Without gcsfs's newest kinds of buckets, which ask a second server that emulators lack."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        pytest.importorskip("gcsfs")
    pytest.importorskip("gcp_storage_emulator")
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def az_environment(request, monkeypatch):
    place = request.getfixturevalue("azurite")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", place)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")


def gs_environment(request, monkeypatch):
    place = request.getfixturevalue("gcs")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", place)
    monkeypatch.setenv("GOOGLE_BASE_URL", place)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")


@pytest.fixture(params=["az", "gs"])
def world(request, monkeypatch, tmp_path, new_store):
    """A world of the test's own in each kind of store."""
    {"az": az_environment, "gs": gs_environment}[request.param](request, monkeypatch)
    found = new_store(tmp_path, f"b{abs(hash(request.node.nodeid))}", request.param)
    found.store.mkdir(found.bucket)
    return found


def test_a_prefix_is_read_as_the_same_folder_is(world):
    for name in ("in/a.jsonl", "in/b.jsonl", "in/sub/c.jsonl"):
        world.lines(name, f"a line of {name}")
    curate(world.recipe(world.address("in"), output="there"))
    curate(world.recipe("local/in", output="here"))
    assert world.rows("there").height == 3
    assert world.rows("there").equals(world.rows("here"))


def test_a_refresh_reads_what_is_new(world):
    world.lines("in/a.jsonl", "the first text")
    recipe = world.recipe(world.address("in/*.jsonl"))
    assert refresh(recipe).rows.read == 1
    assert not refresh(recipe).new
    world.lines("in/b.jsonl", "the second text", "the first text")
    assert refresh(recipe).rows.read == 2
    world.lines("in/a.jsonl", "another first text")
    assert refresh(recipe).rows.read == 1


def test_export(world):
    world.lines("in/a.jsonl", "the first text", "the second text")
    recipe = world.recipe(world.address("in"))
    curate(recipe)
    where = world.address("out/rows.jsonl")
    assert export_set(recipe, where) == 2
    with find_objects(where)[0].open() as stream:
        assert pl.read_ndjson(stream.read())["text"].sort()[0] == "the first text"


def test_a_delta_table(world):
    if world.kind == "gs":
        pytest.skip("gcp-storage-emulator has no listing as Delta asks for it")
    here = world.folder / "table"
    for text in ("the first text", "the second text"):
        pl.DataFrame({"text": [text]}).write_delta(str(here), mode="append")
        for path in sorted(here.rglob("*")):
            if path.is_file():
                world.put(f"table/{path.relative_to(here)}", path.read_bytes())
    source = {"delta": {"path": world.address("table")}}
    assert curate(world.recipe("x", source=source)).set_rows == 2


def test_the_output_and_the_copy(machines):
    """With azure-identity installed, polars asks that for a key unless told not to."""
    world = machines.world
    for day in range(3):
        world.lines(f"in/{day}.jsonl", *(f"text number {n}" for n in range(day, day + 5)))
        found = refresh(machines(f"day{day}"))
        assert (found.version, found.rows.read, found.set_rows) == (day, 5, 5 + day)
    if world.kind == "az":
        rows = pl.read_delta(f"{machines.address}/set", credential_provider=None)
        assert machines.same(rows).equals(machines.full())
    assert len(list_history(machines("another"))) == 3
    out = world.folder / "rows.parquet"
    assert export_set(machines("another"), out, version=1) == 6
    mirror = world.recipe(world.address("in"), mirror=world.address("copy/set"))
    refresh(mirror)
    assert "copy/set/_delta_log/00000000000000000000.json" in {
        one.address.removeprefix(world.address()) for one in find_objects(world.address("copy"))
    }


def test_an_entry_of_the_log_is_never_written_over(machines):
    world = machines.world
    world.store.pipe_file(f"{world.bucket}/entry.json", b"one", mode="create")
    if world.kind == "gs":
        pytest.skip("gcp-storage-emulator does not heed ifGenerationMatch")
    with pytest.raises(FileExistsError):
        world.store.pipe_file(f"{world.bucket}/entry.json", b"two", mode="create")
    world.lines("in/a.jsonl", "the first text")
    one, two = machines("one"), machines("two", output="out/t")
    refresh(one)
    refresh(two)
    with pytest.raises(OutputError, match="holds another set than"):
        refresh(machines("two"))


def test_what_is_not_there_is_told(world):
    with pytest.raises(SourceError, match=r"no object there|cannot be reached or refuses"):
        curate(world.recipe(world.address("nothing")))
