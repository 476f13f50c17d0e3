"""A store that refuses, is busy, cuts off or hangs: one line that says what to do, in time."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from siftset.pipeline.storage import object_settings, store_waits
from siftset.pipeline.storage.object_store import find_objects, read_object, upload, write_object
from siftset.schemas.errors import SourceError

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
ANSWERS = {
    "moved": (301, ERROR.format("PermanentRedirect", "use the other endpoint"), "AWS_REGION"),
    "key": (403, ERROR.format("InvalidAccessKeyId", "no such key"), "keys are missing, wrong"),
    "signature": (403, ERROR.format("SignatureDoesNotMatch", "no"), "keys are missing, wrong"),
    "forbidden": (403, "", "keys are missing, wrong"),
    "bucket": (404, ERROR.format("NoSuchBucket", "no bucket"), "no such bucket or object"),
    "busy": (503, ERROR.format("SlowDown", "reduce your rate"), "busy or slow"),
    "broken": (500, ERROR.format("InternalError", "again"), "busy or slow"),
}


@pytest.fixture
def store(monkeypatch):
    """A store that answers all requests alike; `store.answer` says how."""
    pytest.importorskip("s3fs")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            size = int(self.headers.get("Content-Length") or 0)
            if size:
                self.rfile.read(size)
            if server.hangs:
                server.released.wait(60)
                self.close_connection = True
                return
            data = server.body.encode()
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(data) + server.lacks))
            self.send_header("Content-Type", "application/xml")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            self.close_connection = bool(server.lacks)

        def log_message(self, *args):
            pass

    for method in ("GET", "HEAD", "PUT", "POST"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.body, server.lacks, server.hangs = 200, "", 0, False
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": place, "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setattr("siftset.pipeline.storage.object_store.ROUNDS", 1)
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def calls(tmp_path):
    (tmp_path / "file").write_text("text")
    return {
        "list": lambda: find_objects("s3://bucket/in"),
        "read": lambda: read_object("s3://bucket/in/a"),
        "write": lambda: write_object("s3://bucket/in/a", b"text"),
        "upload": lambda: upload(tmp_path / "file", "s3://bucket/in/a"),
    }


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("call", ["list", "read", "write", "upload"])
def test_an_error_says_what_to_do(store, tmp_path, kind, call):
    store.status, store.body, said = ANSWERS[kind]
    with pytest.raises(SourceError, match=said) as told:
        calls(tmp_path)[call]()
    assert "\n" not in str(told.value)


def test_a_download_that_is_cut_off_is_one_line(store, tmp_path):
    store.body, store.lacks = "half", 100
    with pytest.raises(SourceError, match="cut off") as told:
        read_object("s3://bucket/in/a")
    assert "\n" not in str(told.value)


def test_a_store_that_hangs_is_told_of_and_given_up(store, tmp_path, monkeypatch):
    monkeypatch.setattr(object_settings, "READ_TIMEOUT", 0.6)
    monkeypatch.setattr(store_waits, "PATIENCE", 0.2)
    store.hangs, heard, began = True, [], time.monotonic()
    with (
        store_waits.listen_to_waits(heard.append),
        pytest.raises(SourceError, match="busy or slow"),
    ):
        calls(tmp_path)["upload"]()
    assert time.monotonic() - began < 15
    (line,) = heard
    assert line.startswith("waiting for s3://bucket/in/a, 0.2 s so far")


def test_a_password_in_the_address_of_a_store_is_not_echoed(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hush-hush@127.0.0.1:9")
    with pytest.raises(SourceError) as told:
        read_object("s3://bucket/in/a")
    assert "hush-hush" not in str(told.value)
