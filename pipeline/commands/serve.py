"""Serves an output folder on this machine only: read-only, without a framework, without script."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from siftset.pipeline.reports.difference.page import EXTRAS
from siftset.pipeline.reports.index import index_page, listing_page, live_page
from siftset.pipeline.reports.page import content_security_policy
from siftset.pipeline.storage.catalog import is_output, read_catalog, read_progress
from siftset.pipeline.storage.plan_folder import DIFF_HTML
from siftset.schemas.errors import OutputError

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8722

_NOBODY: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# A page carries its own, stricter policy; the two are joined, so that pages of an older siftset,
# whose style has another hash, still show.
_PAGE: Final = f"default-src 'none'; style-src 'unsafe-inline'; {_NOBODY}"
_DOCS: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    f"font-src 'self' data:; {_NOBODY}"
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_CHUNK: Final = 1 << 20


def serve_output(
    directory: Path,
    port: int = PORT,
    *,
    ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve a folder until interrupted or `stop` is set; `ready` is told the address.

    Port 0 takes a free one. Raises OutputError for a folder that is not there or a busy port.
    """
    root = directory.expanduser().resolve()
    if not root.is_dir():
        raise OutputError(f"{directory} is not a folder; expected the output folder of a recipe")
    handler = type("Handler", (_Handler,), {"root": root})
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        raise OutputError(
            f"port {port} of {LOOPBACK} cannot be used ({error}): give another one with  --port N"
        ) from error
    server.daemon_threads = True
    try:
        if ready is not None:
            ready(f"http://{LOOPBACK}:{server.server_port}/")
        if stop is not None:
            threading.Thread(target=_shut, args=(server, stop), daemon=True).start()
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        return
    finally:
        server.server_close()


def _shut(server: ThreadingHTTPServer, stop: threading.Event) -> None:
    stop.wait()
    server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    root: Path
    server_version = "siftset"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a page, a listing or a file."""
        self._respond(body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._respond(body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an error in plain text, so that nothing of the request is echoed."""
        self._headers(code, "text/plain; charset=utf-8", _PAGE, length=None)
        if self.command != "HEAD":
            self.wfile.write(f"{code} {HTTPStatus(code).phrase}\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def _respond(self, *, body: bool) -> None:
        host = self.headers.get("Host", "")
        name, _, port = host.rpartition(":")
        assert isinstance(self.server, ThreadingHTTPServer)
        # A name that a stranger's page had pointed at this address (DNS rebinding) is refused.
        if name not in (LOOPBACK, "localhost") or port != str(self.server.server_port):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        if self.path == "/favicon.ico":
            return self._headers(HTTPStatus.NO_CONTENT, "image/x-icon", _PAGE, length=None)
        path = self._inside()
        if path is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        if path.is_dir() and not urlsplit(self.path).path.endswith("/"):
            return self._redirect()
        if not self._has_index(path) and (path / "index.html").is_file():
            path /= "index.html"
        text = self._page(path)
        if text is not None:
            data = text.encode()
            policy = f"{content_security_policy()}; frame-ancestors 'none'"
            self._headers(HTTPStatus.OK, _TYPES[".html"], policy, length=len(data))
            if body:
                self.wfile.write(data)
            return None
        if not path.is_file():
            return self.send_error(HTTPStatus.NOT_FOUND)
        return self._send_file(path, body=body)

    def _inside(self) -> Path | None:
        """Return the file or folder that is asked for; None unless it lies inside the root."""
        asked = unquote(urlsplit(self.path).path)
        if "\0" in asked or "\\" in asked:
            return None
        pieces = [piece for piece in asked.split("/") if piece]
        if any(piece.startswith(".") for piece in pieces):
            return None
        try:
            path = self.root.joinpath(*pieces).resolve()
            live = path.name == "live" and self._has_index(path.parent)
            known = path.is_relative_to(self.root) and (path.exists() or live)
        except (OSError, ValueError):
            return None
        return path if known else None

    def _has_index(self, folder: Path) -> bool:
        """Say whether the index of a folder is made on request."""
        return folder == self.root or is_output(folder)

    def _page(self, path: Path) -> str | None:
        """Return a page that is made on request, or None for a file."""
        if path.name == "live" and not path.exists():
            return live_page(read_progress(path.parent), name=path.parent.name)
        if not path.is_dir():
            return None
        if self._has_index(path):
            return index_page(read_catalog(path), live=True)
        entries = sorted(one for one in path.iterdir() if not one.name.startswith("."))
        return listing_page(
            path.relative_to(self.root).as_posix(),
            [(one.name, None if one.is_dir() else one.stat().st_size) for one in entries[:2000]],
        )

    def _redirect(self) -> None:
        # Only the last piece is named, so that the address can never leave this server.
        last = urlsplit(self.path).path.rpartition("/")[2]
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", f"./{last}/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, path: Path, *, body: bool) -> None:
        kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
        policy = _DOCS if "data_docs" in path.parts else _PAGE
        if path.name == DIFF_HTML:
            policy = f"{content_security_policy(EXTRAS)}; frame-ancestors 'none'"
        self._headers(HTTPStatus.OK, kind, policy, length=path.stat().st_size)
        if not body:
            return
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.wfile.write(chunk)

    def _headers(self, code: int, kind: str, policy: str, *, length: int | None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
