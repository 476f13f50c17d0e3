"""HTML that is escaped by construction: only `h` and `Markup` make tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import quote

_VOID: Final = frozenset({"meta", "br", "hr", "input", "link", "img", "wbr"})
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]*")
_SAFE_LINK: Final = re.compile(
    r"(?:https?://|(?![a-zA-Z][a-zA-Z0-9+.-]*:|//))[!#-;=?-Z_a-z~%\[\]]*"
)
_LINKS: Final = frozenset({"href", "src", "action", "xlink:href"})

# Control characters are shown as their pictures, and lone surrogates, direction overrides and
# other invisible characters as U+FFFD, so that a text cannot rearrange the page around it.
_VISIBLE: Final = {
    **{code: 0x2400 + code for code in range(32) if code not in (9, 10)},
    127: 0x2421,
    **dict.fromkeys([*range(0x80, 0xA0), *range(0xFFF9, 0xFFFC)], 0xFFFD),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Markup(str):
    """Text that already is HTML."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
"""What can stand inside a tag: text is escaped, Markup is not, None is nothing."""

Attribute = str | int | float | bool | None


def show_controls(text: str) -> str:
    """Return `text` with every control and direction character replaced by a visible one."""
    return _SURROGATE.sub("\ufffd", text.translate(_VISIBLE))


def to_markup(child: Child) -> Markup:
    """Return a child, or a sequence of children, as HTML."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return Markup(escape(show_controls(child)))
    if isinstance(child, int | float):
        return Markup(escape(str(child)))
    return Markup("".join(to_markup(one) for one in child))


def h(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return the element `tag`; `class_` is class, `aria_label` is aria-label, None is left out.

    Raises ValueError for a name that is no HTML name and for a link that is neither relative nor
    http(s): those are defects of the caller, never of the data.
    """
    if not _NAME.fullmatch(tag):
        raise ValueError(f"not the name of an element: {tag!r}")
    opening = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{opening}>")
    return Markup(f"<{tag}{opening}>{to_markup(children)}</{tag}>")


def allow_breaks(name: str) -> Markup:
    """Return a long name that may go over to the next line after each underscore."""
    pieces = name.split("_")
    return to_markup([[one, "_", h("wbr")] for one in pieces[:-1]] + [pieces[-1]])


def link_file(path: str, *children: Child) -> Markup:
    """Return a link to a file beside the page, whatever characters its name holds."""
    # "./" keeps a first segment with a colon from being read as a scheme.
    return h("a", *children, href="./" + quote(_SURROGATE.sub("\ufffd", path), safe="/#"))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.lower().startswith("on") or name == "style":
        raise ValueError(f"not an attribute that a page may carry: {name!r}")
    if value is True:
        return f" {name}"
    written = show_controls(f"{value:.6g}" if isinstance(value, float) else str(value))
    if name in _LINKS and written and not _SAFE_LINK.fullmatch(written):
        raise ValueError(f"not a link that a page may carry: {written!r}")
    return f' {name}="{escape(written)}"'
