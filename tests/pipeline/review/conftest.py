"""A small set under review, and a page of it that is served."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.review.open import open_review
from siftset.pipeline.review.server import KEY, ReviewServer, open_server
from siftset.pipeline.review.session import ReviewSession

RECIPE = """
name: opinions
output: out
seed: 7
source:
  files: {paths: [rows.parquet], id: id}
signals:
  some: {length: {min: 12}}
  film: {keyword: {words: [film, movie]}}
  strong: {sentiment: {}}
keep: some & (film | (strong >= 0.3))
integrity:
  rows: {text: {not_null: true, max_chars: 90}}
review: {}
"""
GOOD = "A {} film, a wonderful and moving story, number {}."
BAD = "A {} bore, dull and awful from end to end, number {}."
KINDS = ("quiet", "loud", "long", "short", "strange")


def _rows() -> pl.DataFrame:
    """Sixty opinions, two of them labelled wrongly; one too long, one repeated, one short."""
    rows = [
        {"id": f"r{number}",
         "text": (GOOD if number % 2 else BAD).format(KINDS[number % 5], number),
         "label": "pos" if number % 2 else "neg", "origin": "web" if number % 3 else "shop"}
        for number in range(60)
    ]  # fmt: skip
    rows[11]["label"], rows[30]["label"] = "neg", "pos"
    rows += [
        {"id": "long", "text": "A film " * 20, "label": "pos", "origin": "web"},
        {"id": "again", "text": rows[1]["text"], "label": "pos", "origin": "web"},
        {"id": "short", "text": "film", "label": None, "origin": "web"},
    ]
    return pl.DataFrame(rows)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and its published set; tests copy it."""
    folder = tmp_path_factory.mktemp("opinions")
    _rows().write_parquet(folder / "rows.parquet")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    curate(folder / "recipe.yaml")
    open_review(folder / "recipe.yaml").preparation.make()  # what is kept of it is copied too
    return folder


@pytest.fixture
def recipe(published: Path, tmp_path: Path) -> Path:
    """A recipe with a published set that a test may decide about."""
    shutil.copytree(published, tmp_path / "project")
    return tmp_path / "project" / "recipe.yaml"


@pytest.fixture
def session(recipe: Path) -> ReviewSession:
    opened = open_review(recipe, by="mara")
    opened.preparation.make()
    return opened


class Page:
    """What a page would send, without a browser."""

    def __init__(self, server: ReviewServer) -> None:
        self.server = server

    def send(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str | None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Send one request with the key; a header that is None is left out."""
        link = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        given = {KEY: self.server.key, **{k.replace("_", "-"): v for k, v in headers.items()}}
        link.request(
            method, path, body, {name: value for name, value in given.items() if value is not None}
        )
        answer = link.getresponse()
        found = answer.status, answer.read(), answer.headers
        link.close()
        return found

    def ask(self, path: str, **query: object) -> dict:
        written = {k: v if isinstance(v, str) else json.dumps(v) for k, v in query.items()}
        status, body, _ = self.send("GET", f"/api/{path}?{urlencode(written)}")
        assert status == 200, body
        return json.loads(body)

    def tell(self, path: str, **value: object) -> dict:
        status, body, _ = self.send("POST", f"/api/{path}", json.dumps(value))
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
def serve() -> Iterator[Callable[[ReviewSession], Page]]:
    """Serve sessions until the test ends."""
    opened: list[ReviewServer] = []

    def start(session: ReviewSession) -> Page:
        server = open_server(session, 0)
        opened.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return Page(server)

    yield start
    for server in opened:
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(session: ReviewSession, serve: Callable[[ReviewSession], Page]) -> Page:
    return serve(session)
