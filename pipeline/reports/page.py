"""The page: one self-contained HTML document, and the pieces that pages share."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from siftset.pipeline.profile.shares import format_percent, share_interval
from siftset.pipeline.reports.markup import Child, Markup, allow_breaks, h, to_markup

Status = Literal["pass", "warn", "fail", "none"]
"""How a part stands; none means that it was not measured."""

Level = Literal["note", "warn", "fail"]
"""How grave a statement is."""

_LEVELS: Final[dict[Level, str]] = {"note": "note", "warn": "warning", "fail": "failed"}
WORDS: dict[str, str] = {"pass": "passed", "warn": "warning", "fail": "failed", "none": ""}


@dataclass(frozen=True, slots=True)
class PagePart:
    """One numbered section of a page."""

    anchor: str
    title: str
    body: Child
    status: Status = "none"
    lede: str = ""
    badge: str = ""
    """What stands above about this part, as words of a link to it; its status where empty."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above the parts of a page."""

    title: str
    crumb: Child = None
    verdict: Child = None
    loud: Child = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What one page needs beside the style of all pages, as names of shipped files."""

    style: str = ""
    script: str = ""


@cache
def read_asset(name: str = "report.css") -> str:
    """Return a style or a script that ships; by default the style of every page."""
    return files("siftset.data").joinpath(name).read_text(encoding="utf-8") if name else ""


@cache
def content_security_policy(extras: Extras = Extras()) -> str:
    """Return the policy under which every page stands: its own style and nothing else.

    A page with a script of ours names it by its hash, so that no other one runs.
    """
    styles = " ".join(_hash_source(name) for name in ("report.css", extras.style) if name)
    script = f"script-src {_hash_source(extras.script)}; " if extras.script else ""
    return f"default-src 'none'; {script}style-src {styles}; base-uri 'none'; form-action 'none'"


def _hash_source(name: str) -> str:
    digest = b64encode(hashlib.sha256(read_asset(name).encode()).digest()).decode()
    return f"'sha256-{digest}'"


def render_page(
    header: Header,
    parts: Sequence[PagePart],
    *,
    refresh: int | None = None,
    extras: Extras = Extras(),
) -> str:
    """Return the whole document; `refresh` reloads it after that many seconds."""
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=content_security_policy(extras)),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="referrer", content="no-referrer"),
        h("meta", http_equiv="refresh", content=refresh) if refresh else None,
        h("title", header.title),
        h("style", Markup(read_asset())),
        h("style", Markup(read_asset(extras.style))) if extras.style else None,
    )
    body = h(
        "body",
        h(
            "div",
            h(
                "header",
                h("p", header.crumb, class_="crumb") if header.crumb else None,
                h("h1", header.title),
                h("div", header.verdict, class_="verdict") if header.verdict else None,
                h("div", header.loud, class_="loud", role="alert") if header.loud else None,
                class_="top",
            ),
            _layout(parts),
            class_="shell",
        ),
        h("script", Markup(read_asset(extras.script))) if extras.script else None,
    )
    return f"<!doctype html>\n{h('html', head, body, lang='en')}\n"


def _layout(parts: Sequence[PagePart]) -> Markup:
    if len(parts) < 4:
        return h("main", [_section(part, None) for part in parts], class_="layout")
    judged = any(part.status != "none" for part in parts)
    links = [
        h(
            "li",
            h(
                "a",
                draw_status(part.status) if judged else None,
                part.title,
                href=f"#{part.anchor}",
            ),
        )
        for part in parts
    ]
    body = h("main", [_section(part, number) for number, part in enumerate(parts, 1)])
    nav = h("nav", h("ol", links), class_="parts", aria_label="Parts of this page")
    return h("div", nav, body, class_="layout with-nav")


def _section(part: PagePart, number: int | None) -> Markup:
    label = h("span", number, class_="n") if number else None
    flagged = part.status in ("warn", "fail") and part.anchor != "summary"
    badge = label_status(part.status, part.badge or None) if flagged else None
    if badge is not None and part.badge:
        badge = h("a", badge, href="#summary")
    title = h("h2", label, part.title, " ", badge)
    lede = h("p", part.lede, class_="lede") if part.lede else None
    return h("section", title, lede, part.body, class_="part", id=part.anchor)


def draw_status(status: Status) -> Markup:
    """Return a coloured dot that says its status to a screen reader."""
    return h("span", class_=f"dot {status}", role="img", aria_label=WORDS[status] or "no verdict")


def label_status(status: Status, words: str | None = None) -> Markup:
    """Return a status in words."""
    return h("span", words or WORDS[status] or "not measured", class_=f"pill {status}")


def set_prose(said: str) -> Markup:
    """Return a sentence in which `words between backticks` are set as code."""
    pieces = said.split("`")
    if len(pieces) % 2 == 0:
        return allow_breaks(said)
    return to_markup(
        [h("code", one) if i % 2 else allow_breaks(one) for i, one in enumerate(pieces)]
    )


def call_out(status: str, claim: str, todo: str = "") -> Markup:
    """Return one statement that stands out, and what to do about it."""
    action = h("span", set_prose(todo), class_="todo") if todo else None
    return h("p", h("b", set_prose(claim)), action, class_=f"finding {status}")


def list_statement(
    status: Level,
    claim: str,
    todo: str = "",
    *,
    to: str = "",
    note: str = "",
    command: str = "",
    is_new: bool = False,
) -> Markup:
    """Return the same as one entry of a list, linked to the part it is about.

    `note` is what somebody else says of it, `command` what one can type to act on it; one that
    `is_new` was not there before.
    """
    said = h("a", set_prose(claim), href=f"#{to}") if to else h("b", set_prose(claim))
    action = h("span", set_prose(todo), class_="todo") if todo else None
    quoted = h("p", note, class_="said") if note else None
    mark = [" ", h("span", "new", class_="pill new")] if is_new else None
    body = h("div", h("p", said, mark, action), quoted, show_command(command))
    name = h("span", _LEVELS[status], class_=f"pill {status}")
    return h("li", name, body, class_="brief")


def show_command(command: str) -> Markup | None:
    """Return a command that one click selects; nothing for an empty one."""
    return h("code", command, class_="command", translate="no") if command else None


def note_absence(why: str) -> Markup:
    """Return the one line of a part that has nothing to show."""
    return h("p", why, class_="soft")


def list_facts(pairs: Mapping[str, Child]) -> Markup:
    """Return names and values as a list; empty values are left out."""
    shown = [
        (h("dt", key), h("dd", value)) for key, value in pairs.items() if value not in ("", None)
    ]
    return h("dl", shown, class_="facts")


def show_figures(items: Iterable[tuple[str, str, str]]) -> Markup:
    """Return large numbers: (value, what it is, its denominator)."""
    shown = [
        h(
            "div",
            h("span", value, class_="v"),
            h("span", name, class_="k"),
            h("span", of, class_="of") if of else None,
            class_="figure",
        )
        for value, name, of in items
    ]
    return h("div", shown, class_="figures")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table: its heading and how its cells are set."""

    title: Child
    kind: Literal["", "num", "text", "bar", "wide", "name", "nowrap"] = ""


def draw_table(
    columns: Sequence[TableColumn], rows: Iterable[Sequence[Child]], caption: str = ""
) -> Markup:
    """Return a table that scrolls sideways where it is too wide."""
    head = h(
        "thead",
        h(
            "tr",
            [
                h("th", c.title, scope="col", class_=("num" if c.kind == "num" else None))
                for c in columns
            ],
        ),
    )
    body = [
        h(
            "tr",
            [h("td", cell, class_=c.kind or None) for c, cell in zip(columns, row, strict=True)],
        )
        for row in rows
    ]
    title = h("caption", caption) if caption else None
    return h("div", h("table", title, head, h("tbody", body)), class_="scroll")


def format_share(part: int, whole: int, of: int = 0) -> Markup:
    """Return a share with its denominator: 4.9% (1,220 of 25,000).

    Where the rows were drawn from `of` of them, the 95 % interval of the share stands beside it.
    """
    low, high = share_interval(part, whole, of)
    bound = f"; {format_percent(low, 1)} to {format_percent(high, 1)}" if whole < of else ""
    counted = h("span", f"({part:,} of {whole:,}{bound})", class_="of")
    return h("span", format_percent(part, whole), " ", counted)
