from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.reports.markup import Markup, h, link_file, show_controls, to_markup


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said.append(data)


def _read(markup: str) -> _Reader:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text(), st.text())
def test_any_text_stays_text_in_content_and_attributes(content: str, value: str) -> None:
    reader = _read(h("p", content, title=value))
    assert [tag for tag, _ in reader.tags] == ["p"]
    assert "".join(reader.said).replace("\r", "\n") == show_controls(content).replace("\r", "\n")
    assert reader.tags[0][1] == {"title": show_controls(value)}


@given(st.text())
def test_a_link_is_always_a_path_beside_the_page(path: str) -> None:
    (_, attributes), *_ = _read(link_file(path, "x")).tags
    assert (attributes["href"] or "").startswith("./")


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "JaVa\nScript:x", " javascript:x", "//evil.example", "data:x", "\x01:"],
)
def test_a_link_with_a_scheme_is_refused(href: str) -> None:
    with pytest.raises(ValueError, match="not a link"):
        h("a", "x", href=href)


@pytest.mark.parametrize("name", ["onclick", "OnLoad", "style", "x y", "a=b", ""])
def test_attributes_that_run_or_break_out_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an attribute"):
        h("a", "x", **{name: "y"})


def test_children_nest_and_none_is_nothing() -> None:
    made = h("ul", [h("li", one) for one in ("a<b", 3, None)], class_="x", hidden=True, id=None)
    assert made == '<ul class="x" hidden><li>a&lt;b</li><li>3</li><li></li></ul>'
    assert to_markup(Markup("<b>")) == "<b>"


def test_control_and_direction_characters_become_visible() -> None:
    assert show_controls("a\x00b\u202ec\ud800\td") == "a\u2400b\ufffdc\ufffd\td"
