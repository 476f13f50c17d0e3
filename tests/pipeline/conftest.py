"""Texts that attack pages, a server that hears posts, and a world that changes."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh_set
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.results.summary import CurateResult

PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    '\'><iframe src="https://evil.example/"></iframe>',
    "</title><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</svg></table><body onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "java\nscript:alert(1)",
    '<a href="javascript:alert(1)">x</a><link rel=stylesheet href=https://evil.example/x.css>',
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/><style>@import 'https://evil.example/y.css';</style>",
    "{{7*7}}${7*7}<!--",
    "]]>-->",
    "\u202eevil\u2066\x00\x07\x1b[31m\ud800",
    "&lt;b&gt;&#x3c;script>",
)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    return PAYLOADS


class Listener:
    """What was posted to an address of this machine, and how posts are answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.bodies: list[dict] = []
        self.authorizations: list[str] = []


@pytest.fixture
def listener():
    """A server that hears what is posted; one that answers 302 sends on to an address beside it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.bodies.append(json.loads(body))
            heard.authorizations.append(self.headers.get("Authorization", ""))
            self.send_response(heard.status)
            if heard.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard = Listener(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield heard
    server.shutdown()
    server.server_close()
    thread.join()


RECIPE: dict[str, object] = {
    "name": "world",
    "output": "out",
    "source": {"files": {"paths": ["in/*.jsonl"]}},
    "signals": {"long": {"length": {"min": 5}}, "bad": {"keyword": {"words": ["bad"]}}},
    "keep": "long & ~bad",
    "analysis": "off",
    "allow_empty": True,
    "integrity": {"rows": {"text": {"not_null": True}}},
}


class World:
    """Input files, a recipe, and the set that refreshes make of them."""

    def __init__(self, folder: Path, **recipe: object) -> None:
        self.folder = folder
        self.recipe = {**RECIPE, **recipe}
        (folder / "in").mkdir(parents=True)
        (folder / "full").mkdir()

    def write(self, name: str, rows: list[dict[str, object]]) -> None:
        """Put a file there, in place of one of the same name."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "in" / f"{name}.jsonl").write_text(text)

    def texts(self, name: str, *texts: str | None) -> None:
        """Put a file of texts there."""
        self.write(name, [{"text": text} for text in texts])

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.folder / "in" / f"{name}.jsonl").unlink()

    def change(self, **sections: object) -> None:
        """Change sections of the recipe."""
        self.recipe.update(sections)

    def path(self) -> Path:
        """The recipe as it is now."""
        path = self.folder / "recipe.json"
        path.write_text(json.dumps(self.recipe))
        return path

    def forget(self) -> None:
        """Lose what refreshes remember."""
        shutil.rmtree(self.folder / "out/ledger", ignore_errors=True)

    def refresh(self, **options: object) -> CurateResult:
        """Bring the set up to date."""
        return refresh_set(self.path(), options=CurateOptions(**options))  # type: ignore[arg-type]

    def full(self) -> pl.DataFrame:
        """The set that one full run over the same input makes, elsewhere."""
        where = self.folder / "full" / str(len(list((self.folder / "full").iterdir())))
        curate(self.path(), overrides=[f"output={where}"])
        return rows_of(where)

    def set(self, output: Path | None = None) -> pl.DataFrame:
        """The set that refreshes made."""
        return rows_of(output or self.folder / "out")


def rows_of(output: Path) -> pl.DataFrame:
    """Return what must be equal: id, source columns, split, decision and which row is the keeper.

    Both doors are read: Delta and the plain files of the latest version.
    """
    rows = pl.read_delta(str(output / "set")).drop("run_id", "signals", "scores", strict=False)
    latest = max((output / "versions").iterdir(), key=lambda path: int(path.name))
    plain = pl.read_parquet(latest / "*.parquet").select(rows.columns)
    order = ["row_id", "source"]
    assert plain.sort(order).equals(rows.sort(order))
    return rows.select(sorted(rows.columns)).sort(order)


@pytest.fixture(scope="session")
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., World]:
    """Make a world of its own; keywords change sections of its recipe."""

    def make(**recipe: object) -> World:
        return World(tmp_path_factory.mktemp("world"), **recipe)

    return make
