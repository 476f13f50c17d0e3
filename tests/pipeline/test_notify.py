from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.notify import message, notify
from schemas.metrics import Rows, Run, RunMetrics


def _metrics(verdict: str) -> RunMetrics:
    run = Run(run_id="r1", recipe="nike", version=3)
    return RunMetrics(verdict=verdict, run=run, rows=Rows(read=10, kept=4, quarantined=6))


@pytest.fixture
def receiver():
    received: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(self.status)
            if self.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook-secret", received, Handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("verdict", "posts"), [("pass", 0), ("warn", 1), ("fail", 1)])
def test_only_warnings_and_failures_are_posted(verdict: str, posts: int, receiver) -> None:
    url, received, _ = receiver
    assert notify(url, _metrics(verdict), ()) is None
    assert len(received) == posts


def test_the_message_says_what_happened(receiver) -> None:
    url, received, _ = receiver
    notify(url, _metrics("fail"), ("text: <!channel> & nulls",))
    assert received[0]["text"].startswith("*Failed: nike, run r1*\n4 of 10 rows kept")
    assert "&lt;!channel&gt; &amp; nulls" in received[0]["text"]
    assert received[0]["verdict"] == "fail"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_receiver_that_refuses_is_reported_without_its_address(status: int, receiver) -> None:
    url, _, handler = receiver
    handler.status = status
    assert notify(url, _metrics("warn"), ()) == f"alert not sent: the webhook answered {status}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/secret",
        "ftp://x/secret",
        "file:///etc/secret",
        "secret",
        "http://[/secret",
    ],
)
def test_an_address_that_cannot_work_never_raises_nor_shows(url: str) -> None:
    said = notify(url, _metrics("fail"), ())
    assert said is not None
    assert "secret" not in said


def test_a_long_list_is_cut() -> None:
    lines = tuple(f"line {i}" for i in range(25))
    text = str(message(_metrics("warn"), lines)["text"])
    assert "line 9" in text
    assert "line 10" not in text
    assert "and 15 more" in text
