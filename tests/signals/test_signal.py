from __future__ import annotations

import polars as pl
import pytest

from siftset.schemas.errors import SignalError
from siftset.signals.builtin.keyword import keyword
from siftset.signals.builtin.text import length, regex
from siftset.signals.decorator import preprocessor, set_parameters, signal
from siftset.signals.signal import Signal


@signal(examples=[("Thank you", True), ("no", False), (None, None)])
def polite(text: str, *, words: tuple[str, ...] = ("please", "thank")) -> bool:
    """Says please or thank you."""
    return any(word in text.casefold() for word in words)


@signal
def shouting(text: pl.Expr) -> pl.Expr:
    """Text in capitals only."""
    return text == text.str.to_uppercase()


@signal(returns="score")
def share(text: pl.Series) -> pl.Series:
    """Share of vowels."""
    return text.str.count_matches("[aeiou]") / text.str.len_chars()


@signal
def wordy(text: str, stars: int) -> float:
    """Words for each star."""
    return len(text.split()) / stars


@signal(nulls="handle")
def absent(text: str | None) -> bool:
    """No text."""
    return text is None


def test_the_annotations_tell_the_body():
    assert [found.kind for found in (polite, shouting, share, wordy)] == [
        "row", "expression", "batch", "row",
    ]  # fmt: skip
    assert (share.returns, wordy.returns, polite.returns) == ("score", "score", "bool")
    assert wordy.columns == ("text", "stars")
    assert polite.name == "polite"
    assert polite.description == "Says please or thank you."
    assert polite.accepts == {"text": "text"}


def test_one_row_and_a_frame_from_python():
    both = polite & ~shouting
    assert both("Thank you!") is True
    assert both("THANK YOU") is False
    assert both(None) is None
    assert both({"text": "please"}) is True
    assert (wordy >= 2)({"text": "a b c d", "stars": 2}) is True
    assert absent(None) is True
    frame = pl.DataFrame({"text": ["Thanks", "NO", None]})
    assert both.decide(frame).keep.to_list() == [True, False, None]
    assert (share > 0.3).decide(frame).keep.to_list() == [False, False, None]


def test_operators_and_their_text():
    question = (polite | shouting) & ~(share < 0.5) ^ polite.fill(False)
    assert question.formula.text == "(polite | shouting) & ~(share < 0.5) ^ polite.fill(False)"
    assert len({polite, shouting, polite}) == 2
    assert repr(polite & shouting) == "<formula polite & shouting>"
    assert repr(polite) == "<signal polite: row, bool of text>"


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: bool(polite), "combine with & | ~, not with and / or / not"),
        (lambda: polite and shouting, "combine with & | ~"),
        (lambda: not (polite & shouting), "combine with & | ~"),
        (lambda: polite & True, "not with bool True"),
        (lambda: "nike" | polite, "unsupported operand"),
        (lambda: polite >= 1, "has no score"),
        (lambda: share >= "1", "compared with a number"),
        (lambda: share >= True, "compared with a number"),
        (lambda: polite.fill(None), "True or False"),
    ],
)
def test_misuse_is_a_type_error(attempt, message):
    with pytest.raises(TypeError, match=message):
        attempt()


def test_two_signals_of_one_name_do_not_mix():
    other = keyword("thanks", name="polite")
    with pytest.raises(SignalError, match="two signals are called 'polite'"):
        polite & other
    assert (polite & other.named("thankful")).formula.names == ("polite", "thankful")
    assert (polite & polite.named("polite")).formula.names == ("polite",)


def test_parameters_are_typed():
    changed = set_parameters(polite, {"words": ["bitte"]})
    assert changed("Bitte sehr") is True
    assert polite("Bitte sehr") is False
    assert changed.fingerprint != polite.fingerprint
    assert changed.parameters == {"words": ["bitte"]}
    with pytest.raises(SignalError, match="unknown parameter 'word'; known: words"):
        set_parameters(polite, {"word": ["x"]})
    with pytest.raises(SignalError, match="parameter 'words'"):
        set_parameters(polite, {"words": 3})
    with pytest.raises(SignalError, match="takes no parameters"):
        set_parameters(keyword("nike"), {"words": 3})


def _star(*texts: str) -> bool:
    return True


def _bare(text) -> bool:
    return True


def _mixed(text: pl.Expr, other: str) -> pl.Expr:
    return text


def _silent(text: str):
    return True


def _optional(text: str, limit: int = 3) -> bool:
    return True


def _untyped(text: str, *, limit=3) -> bool:
    return True


def _required(text: str, *, limit: int) -> bool:
    return True


def _texty(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (_star, {}, "needs named arguments"),
        (lambda: True, {"name": "x"}, "needs named arguments"),
        (_bare, {}, "annotate 'text' with pl.Expr"),
        (_mixed, {}, "mixes expression and row"),
        (_silent, {}, "say what it returns"),
        (_texty, {}, "say what it returns"),
        (_optional, {}, r"put \* before the parameter 'limit'"),
        (_untyped, {}, "annotate the parameter 'limit'"),
        (_required, {}, "give these parameters a default: limit"),
        (_required, {"null": "handle"}, "unknown option 'null'"),
        (_required, {"nulls": "drop"}, "'unknown' or 'handle'"),
        (_required, {"returns": "int"}, "'bool' or 'score'"),
        (_texty, {"name": "two words"}, "no name for a signal"),
        (_texty, {"name": "class"}, "no name for a signal"),
        (_required, {"resources": {"words": "x.txt"}}, "no keyword-only argument for"),
        (_required, {"resources": {"limit": "nowhere.txt"}}, "is no file: nowhere.txt"),
        (len, {"name": "x"}, "stands above a function"),
    ],
)
def test_a_wrong_definition_is_refused_at_once(function, options, message):
    with pytest.raises(SignalError, match=message) as caught:
        signal(**options)(function)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("checked", "schema", "message"),
    [
        (polite, {"txt": pl.String}, r"column 'text', which the data lacks \(did you mean 'txt'"),
        (polite, {"text": pl.Int64}, "reads column 'text' as text, but it is Int64"),
        (shouting, {"text": pl.Int64}, "does not fit the data"),
        (keyword("nike"), {"text": pl.Float64}, "as text"),
    ],
)
def test_a_schema_that_does_not_fit(checked, schema, message):
    with pytest.raises(SignalError, match=message) as caught:
        checked.check(pl.Schema(schema))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda text: text.str.len_chars(), "gives UInt32, expected Boolean; a score says"),
        (lambda text: text, "gives String, expected Boolean"),
        (lambda text: (text == "a").any(), "one value for all rows"),
        (lambda text: pl.lit(True), "one value for all rows"),
        (lambda text: True, "returned bool, expected a polars expression"),
    ],
)
def test_an_expression_is_resolved_before_any_work(body, message):
    found = Signal("wrong", "expression", body)
    with pytest.raises(SignalError, match=message):
        found.check(pl.Schema({"text": pl.String}))


def test_resources_are_loaded_by_type(tmp_path):
    (tmp_path / "words.txt").write_text("# polite words\nplease\n\nthank you\n", "utf-8")

    @signal(resources={"words": tmp_path / "words.txt"})
    def said(text: str, *, words: frozenset[str]) -> bool:
        return text in words

    assert said("thank you") is True
    assert said("# polite words") is False
    before = said.fingerprint
    (tmp_path / "words.txt").write_text("other\n", "utf-8")

    @signal(resources={"words": tmp_path / "words.txt"})
    def said(text: str, *, words: frozenset[str]) -> bool:
        return text in words

    assert said.fingerprint != before


def test_a_shared_preprocessor_runs_once_a_row():
    seen: list[str] = []

    @preprocessor
    def words(text: str) -> list[str]:
        seen.append(text)
        return text.split()

    @signal(pre=[words])
    def many(words: list) -> bool:
        return len(words) > 2

    @signal(pre=[words])
    def long(words: list) -> bool:
        return any(len(word) > 4 for word in words)

    frame = pl.DataFrame({"text": ["a b c", "a b elephant", None, "x"]})
    assert (many & long).decide(frame).keep.to_list() == [False, True, None, False]
    assert sorted(seen) == ["a b c", "a b elephant", "x"]
    assert many.columns == ("text",)


def test_a_batch_preprocessor_feeds_expressions():
    @preprocessor
    def size(text: pl.Series) -> pl.Series:
        return text.str.len_chars()

    @signal(pre=[size])
    def big(size: pl.Expr) -> pl.Expr:
        return size > 3

    @signal(pre=[size])
    def huge(size: pl.Series, text: pl.Series) -> pl.Series:
        return (size > 5) & text.str.contains("z")

    frame = pl.DataFrame({"text": ["abc", "abcd", None, "abcdez"]})
    assert (big | huge).decide(frame).keep.to_list() == [False, True, None, True]
    assert (big & huge).decide(frame).keep.to_list() == [False, False, None, True]


def test_families_from_python():
    assert keyword("Nike").name == "nike"
    assert keyword("new york").name.startswith("keyword_")
    assert regex(r"\d", name="digits")("a1") is True
    assert (length() >= 2)("ab") is True
    assert length(min=3)("ab") is False
    with pytest.raises(SignalError, match="give words"):
        keyword()
