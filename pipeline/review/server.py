"""Serves a review on this machine only, to whoever holds the key of the session."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

import polars as pl
from pydantic import JsonValue, ValidationError

from siftset.pipeline.review.assets import SERVED_POLICY, served_files
from siftset.pipeline.review.filters import Filter
from siftset.pipeline.review.points import pack_mask, pack_points
from siftset.pipeline.review.requests import Ask, AskRules, AskWrite
from siftset.pipeline.review.session import ReviewSession
from siftset.schemas.errors import OutputError, SiftsetError

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8322
KEY: Final = "X-Siftset-Key"
LARGEST: Final = 20 << 20
"""Bytes of a request at most: a bit for each of many rows, or a long text."""

Query = Mapping[str, str]


class ReviewServer(ThreadingHTTPServer):
    """One review; every request but those for the page's own files needs its key."""

    daemon_threads = True

    def __init__(self, session: ReviewSession, port: int) -> None:
        self.session = session
        self.key = secrets.token_urlsafe(24)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def address(self) -> str:
        """Where the page is; the key stands behind #, which a browser sends nobody."""
        return f"http://{LOOPBACK}:{self.server_port}/#{self.key}"


def open_server(session: ReviewSession, port: int | None = None) -> ReviewServer:
    """Take a port: the one that is named, or the usual one, or any where that is busy.

    Raises OutputError for a named port that cannot be used.
    """
    try:
        return ReviewServer(session, PORT if port is None else port)
    except (OSError, OverflowError) as error:
        if port is None:
            return ReviewServer(session, 0)
        raise OutputError(
            f"port {port} of {LOOPBACK} cannot be used ({error}): give another one with  --port N"
        ) from error


def serve_review(server: ReviewServer, stop: threading.Event | None = None) -> None:
    """Answer until interrupted, or until `stop` is set."""
    if stop is not None:

        def end() -> None:
            stop.wait()
            server.shutdown()

        threading.Thread(target=end, daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        return
    finally:
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "siftset", ""
    protocol_version = "HTTP/1.1"
    timeout = 30
    # head and body in one packet: an answer takes 2 ms in place of 44
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a file of the page, or what it asks about the rows."""
        if not self._is_local():
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        url = urlsplit(self.path)
        asset = served_files().get(url.path)
        if asset is not None:
            return self._send(HTTPStatus.OK, asset.body, f"{asset.kind}; charset=utf-8")
        if url.path == "/favicon.ico":
            return self._send(HTTPStatus.NO_CONTENT, b"", "image/x-icon")
        if not self._has_key():
            return self._refuse(HTTPStatus.FORBIDDEN)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        ask = _ASKED.get(url.path)
        if ask is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        return self._answer(lambda: ask(self.server.session, query))

    def do_POST(self) -> None:
        """Carry out what the page was told to do."""
        if not self._is_local():
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        origin = self.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != self.headers.get("Host")
        if foreign or not self._has_key():
            return self._refuse(HTTPStatus.FORBIDDEN)
        length = self.headers.get("Content-Length") or ""
        if not length.isdecimal():
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > LARGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(int(length))
        act = _DONE.get(self.path)
        if act is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        return self._answer(lambda: act(self.server.session, body))

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an error in plain text, so that nothing of the request is echoed."""
        self._refuse(HTTPStatus(code))

    def _is_local(self) -> bool:
        # A name that a stranger's page had pointed at this address (DNS rebinding) is refused.
        name, _, port = self.headers.get("Host", "").rpartition(":")
        return name in (LOOPBACK, "localhost") and port == str(self.server.server_port)

    def _has_key(self) -> bool:
        given = self.headers.get(KEY, "").encode("latin-1", "replace")
        return hmac.compare_digest(given, self.server.key.encode())

    def _answer(self, work: Callable[[], JsonValue | bytes]) -> None:
        try:
            found = work()
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            return self._send_json({"error": said}, HTTPStatus.BAD_REQUEST)
        except (KeyError, ValueError, SiftsetError, pl.exceptions.PolarsError) as error:
            return self._send_json({"error": str(error)[:500]}, HTTPStatus.BAD_REQUEST)
        if isinstance(found, bytes):
            return self._send(HTTPStatus.OK, found, "application/octet-stream")
        return self._send_json(found, HTTPStatus.OK)

    def _send_json(self, value: JsonValue, status: HTTPStatus) -> None:
        # a lone surrogate has no UTF-8, but an escape
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._send(status, body.encode("utf-8", "backslashreplace"), "application/json")

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(status, f"{status} {status.phrase}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", SERVED_POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _filter_of(query: Query) -> Filter:
    return Filter.model_validate_json(query.get("filter") or "{}")


def _write_rule(session: ReviewSession, ask: AskWrite) -> JsonValue:
    return session.rules.write(ask.id, ask.before)


_ASKED: Final[Mapping[str, Callable[[ReviewSession, Query], JsonValue | bytes]]] = {
    "/api/state": lambda session, query: session.state(),
    "/api/facets": lambda session, query: session.facets(_filter_of(query)),
    "/api/rows": lambda session, query: session.page(
        _filter_of(query), int(query.get("offset", 0)), int(query.get("limit", 60))
    ),
    "/api/row": lambda session, query: session.show_row(int(query["row"])),
    "/api/mask": lambda session, query: pack_mask(session, _filter_of(query)),
    "/api/points": lambda session, query: pack_points(session),
    "/api/brief": lambda session, query: session.list_row(int(query["row"])),
    "/api/alike": lambda session, query: session.find_alike(int(query["row"])),
}
_DONE: Final[Mapping[str, Callable[[ReviewSession, bytes], JsonValue | bytes]]] = {
    "/api/decide": lambda session, body: session.decide(Ask.model_validate_json(body)),
    "/api/undo": lambda session, body: session.undo(),
    "/api/propose": lambda session, body: session.rules.propose(
        session.choose(AskRules.model_validate_json(body).filter)
    ),
    "/api/rule": lambda session, body: _write_rule(session, AskWrite.model_validate_json(body)),
    "/api/select": lambda session, body: session.select_rows(body),
}
