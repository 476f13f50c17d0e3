"""Who is told of a refresh that was refused."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.refresh import refresh
from schemas.errors import GateFailed


@pytest.fixture
def webhook():
    received: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refused_refresh_is_told_and_one_that_passes_is_not(new_world, webhook):
    url, received = webhook
    world = new_world(
        refresh={"notify": url}, integrity={"thresholds": {"rejected_share": {"critical": 0.5}}}
    )
    world.texts("a", "the first text", "the second text")
    refresh(world.path())
    assert received == []
    world.texts("b", "bad and long", "bad again, long")
    with pytest.raises(GateFailed):
        refresh(world.path())
    (told,) = received
    assert told["verdict"] == "fail"
    assert told["rows"]["read"] == 2
    assert "rejected_share" in told["alerts"][0]
