"""The page's own files, and the policy under which a browser shows them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

FOLDER: Final = "review"
STYLE: Final = "review.css"
SCRIPTS: Final = ("dom.js", "server.js", "map.js", "row.js", "dialogs.js", "page.js")
"""In the order in which they run; each uses what those before it define."""
STATIC_SCRIPTS: Final = tuple("local.js" if name == "server.js" else name for name in SCRIPTS)
PAGE: Final = "page.html"
_NOBODY: Final = "base-uri 'none'; form-action 'none'"
_TYPED: Final = "require-trusted-types-for 'script'; trusted-types 'none'"
SERVED_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    f"{_NOBODY}; frame-ancestors 'none'; {_TYPED}"
)
"""No script but ours, no address but this server's, and no text that becomes markup."""
STATIC_POLICY: Final = (
    f"default-src 'none'; script-src {{scripts}}; style-src {{style}}; {_NOBODY}; {_TYPED}"
)
"""Of a file: the scripts and the style that it holds, by their hashes, and no address at all."""


class Asset(NamedTuple):
    """A file as it is served."""

    kind: str
    body: bytes


@cache
def read_asset(name: str) -> str:
    """Return a file of the page, which ships with the package."""
    return files("siftset.data").joinpath(FOLDER, name).read_text(encoding="utf-8")


@cache
def read_style() -> str:
    """Return the style of the page, its colours being those of every page."""
    colours = files("siftset.data").joinpath("report.css").read_text(encoding="utf-8")
    return colours.partition("\n* {")[0] + "\n" + read_asset(STYLE)


@cache
def served_files() -> dict[str, Asset]:
    """Return what a server answers to anybody, by path: nothing of it is about the rows."""
    links = [f'<link rel="stylesheet" href="/{STYLE}">']
    links += [f'<script src="/{name}" defer></script>' for name in SCRIPTS]
    page = read_asset(PAGE).replace("<!-- files -->", "\n".join(links))
    found = {
        "/": Asset("text/html", page.encode()),
        f"/{STYLE}": Asset("text/css", read_style().encode()),
    }
    found |= {f"/{name}": Asset("text/javascript", read_asset(name).encode()) for name in SCRIPTS}
    return found
