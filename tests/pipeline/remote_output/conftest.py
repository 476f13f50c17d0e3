"""An S3 server on loopback, recipes that read from it, and refreshes that are killed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.storage.object_store import file_system

KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3_server():
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # of S3 alone: a ThreadedMotoServer lists moto's folders to find the service of each request
    found = make_server(
        "127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=MotoRequestHandler
    )
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.fixture(scope="session")
def server(s3_server):
    """The address of the server."""
    return f"http://127.0.0.1:{s3_server.server_port}"


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
    return World(tmp_path, bucket)


@pytest.fixture
def new_store():
    """Make a world of another kind of store."""
    return World


class World:
    """Objects in a bucket, the same files on this machine, and recipes that read them."""

    def __init__(self, folder, bucket, kind="s3"):
        self.folder, self.bucket, self.kind = folder, bucket, kind
        self.store = file_system(f"{kind}://{bucket}")

    def put(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.store.pipe_file(f"{self.bucket}/{name}", data, mode="overwrite")
        path = self.folder / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def lines(self, name, *texts):
        self.put(name, lines(*texts))

    def recipe(self, *paths, output="out", file=None, **sections):
        path = self.folder / f"{file or output}.json"
        files = {"files": {"paths": paths}}
        path.write_text(json.dumps({
            "name": "t", "output": output, "source": files, "keep": "long", "analysis": "off",
            "signals": {"long": {"length": {"min": 3}}}, **sections,
        }))  # fmt: skip
        return path

    def address(self, name=""):
        return f"{self.kind}://{self.bucket}/{name}"

    def rows(self, output="out"):
        rows = pl.read_delta(str(self.folder / output / "set")).drop("run_id")
        return rows.sort("row_id")


def lines(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


ROOT = Path(__file__).parents[3]
REFRESH = """
import deltalake, s3fs, siftset.pipeline.commands.curate, siftset.pipeline.reports.run
from siftset.pipeline.cli import app
print("at work", flush=True)
app()
"""


@pytest.fixture
def stop_refresh():
    """Start a refresh in a process and send it a signal a while after its imports."""

    def stop(recipe, number, seconds, look):
        """Call `look` all the while; return the exit code, None of one that had ended before."""
        with subprocess.Popen(
            [sys.executable, "-c", REFRESH, "refresh", str(recipe)], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as job:  # fmt: skip
            assert job.stdout.readline() == "at work\n"
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0 and job.poll() is None:
                look()
                time.sleep(min(0.05, max(0, left)))
            is_running = job.poll() is None
            job.send_signal(number)
            job.communicate()
        return job.returncode if is_running else None

    return stop


@pytest.fixture
def machines(world):
    """Make folders with nothing but a recipe whose output is an address."""
    return Machines(world)


class Machines:
    """Machines that share nothing but a store."""

    def __init__(self, world):
        self.world, self.address = world, world.address("reviews")

    def __call__(self, name, **sections):
        """Return the recipe of a machine; its working folder is out/t beside it."""
        folder = self.world.folder / name
        folder.mkdir(exist_ok=True)
        return self.world.recipe(
            self.world.address("in/*.jsonl"), file=f"{name}/recipe",
            **{"output": self.address, **sections},
        )  # fmt: skip

    def full(self):
        """Return the set that one run over the same input makes, elsewhere."""
        from siftset.pipeline.commands.curate import curate

        curate(self.world.recipe(self.world.address("in/*.jsonl"), output="full"))
        return self.same(pl.read_delta(str(self.world.folder / "full/set")))

    def set(self, version=None):
        """Return the set in the store."""
        return self.same(pl.read_delta(f"{self.address}/set", version=version))

    def same(self, rows):
        return rows.drop("run_id", "signals", strict=False).sort("row_id")

    def names(self, below=""):
        """Return what lies in the store below the output."""
        place = f"{self.world.bucket}/reviews/"
        found = self.world.store.find(place + below, detail=True)
        return {name.removeprefix(place) for name in found}

    def remove(self, *names):
        self.world.store.rm([f"{self.world.bucket}/reviews/{name}" for name in names])

    @staticmethod
    def run(*arguments):
        """Run a command and return what it says as JSON."""
        from typer.testing import CliRunner

        from siftset.pipeline.cli import app

        done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout.splitlines()[-1])
