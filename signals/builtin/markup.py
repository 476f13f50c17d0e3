"""Links and HTML in a text."""

from __future__ import annotations

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

_URL = r"(?i)\b(?:https?://|ftp://|www\.)[^\s<>\x22]+"
_TAG = r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>|<!--"
_ENTITY = r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});"


class Urls(Thresholds):
    """Parameters of `urls`: only limits of the count."""


@family(
    Urls,
    definition="RFC 3986 with the schemes http, https and ftp, or a host that begins with www.",
    examples=[
        ({"max": 0}, "no links here", True),
        ({}, "see https://example.org/a and www.example.org", 2.0),
        ({}, None, None),
    ],
)
def urls(parameters: Urls, build: Build) -> Signal:
    """How many links the text holds."""
    return build.expression(lambda text: text.str.count_matches(_URL), returns="score")


class Html(Thresholds):
    """Parameters of `html`: only limits of the count."""


@family(
    Html,
    definition="WHATWG HTML: start tags, end tags, comments and character references",
    examples=[
        ({"max": 0}, "3 < 4 and 5 > 2", True),
        ({}, "<p>Tom &amp; Ann</p>", 3.0),
        ({}, None, None),
    ],
)
def html(parameters: Html, build: Build) -> Signal:
    """How many HTML tags and entities the text holds."""
    return build.expression(
        lambda text: text.str.count_matches(f"{_TAG}|{_ENTITY}"), returns="score"
    )
