"""Texts that try to become tags, scripts or requests; every page is shown them."""

from __future__ import annotations

import pytest

PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    '\'><iframe src="https://evil.example/"></iframe>',
    "</title><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</svg></table><body onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "java\nscript:alert(1)",
    '<a href="javascript:alert(1)">x</a><link rel=stylesheet href=https://evil.example/x.css>',
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/><style>@import 'https://evil.example/y.css';</style>",
    "{{7*7}}${7*7}<!--",
    "]]>-->",
    "\u202eevil\u2066\x00\x07\x1b[31m\ud800",
    "&lt;b&gt;&#x3c;script>",
)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    return PAYLOADS
