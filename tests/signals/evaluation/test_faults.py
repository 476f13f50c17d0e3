from __future__ import annotations

import polars as pl
import pytest

from siftset.schemas.errors import SignalError
from siftset.signals.decider import Decider
from siftset.signals.decorator import preprocessor, signal
from siftset.signals.formula.formula import parse


@signal
def row(text: str) -> bool:
    if "bad" in text:
        raise ValueError(f"cannot read {text}")
    return True


@signal
def batch(text: pl.Series) -> pl.Series:
    if text.str.contains("bad").any():
        raise ValueError("a bad text in the batch")
    return text.str.len_chars() > 0


@signal
def expression(text: pl.Expr) -> pl.Expr:
    return text.str.replace("bad", "x").cast(pl.Int64) >= 0


@pytest.mark.parametrize("raising", [row, batch])
def test_only_the_rows_that_raise_are_unknown(raising):
    texts = [f"text {number}" for number in range(1_000)]
    texts[13] = "bad one"
    texts[700] = "a bad one\nwith a line break " + "x" * 200
    made = raising.decide(pl.DataFrame({"text": texts}))
    assert made.keep.null_count() == 2
    assert made.keep.sum() == 998
    assert [fault.row for fault in made.faults] == [13, 700]
    assert made.faulted.arg_true().to_list() == [13, 700]
    first, second = made.faults
    assert first.signal == raising.name
    assert first.excerpt == "bad one"
    assert first.error.startswith("ValueError: ")
    assert "Traceback" in first.traceback
    assert "test_faults.py" in first.traceback
    assert len(second.excerpt) == 80
    assert "\n" not in str(second)


def test_an_expression_that_raises():
    made = expression.decide(pl.DataFrame({"text": ["1", "bad", "3", None]}))
    assert made.keep.to_list() == [True, None, True, None]
    assert made.faulted.to_list() == [False, True, False, False]


def test_expressions_that_are_fused_and_raise():
    @signal
    def fine(text: pl.Expr) -> pl.Expr:
        return text != "3"

    made = (expression & fine).decide(pl.DataFrame({"text": ["1", "bad", "3"]}))
    assert made.keep.to_list() == [True, None, False]


@pytest.mark.parametrize(
    ("formula", "kept", "faulted"),
    [
        ("row & no", False, False),
        ("row | yes", True, False),
        ("row & yes", None, True),
        ("row | no", None, True),
        ("row ^ no", None, True),
        ("row.fill(True)", True, False),
        ("row.fill(False)", False, False),
        ("~row", None, True),
        ("row & maybe", None, True),
        ("maybe & (row & no)", False, False),
        ("maybe & yes", None, False),
        ("maybe & row.fill(True)", None, False),
    ],
)
def test_a_row_is_faulted_only_where_the_fault_decides(formula, kept, faulted):
    @signal
    def yes(text: pl.Expr) -> pl.Expr:
        return text.is_not_null()

    @signal
    def maybe(text: str) -> bool | None:
        return None

    known = {"row": row, "yes": yes, "maybe": maybe, "no": signal(name="no")(_no)}
    for order in ("auto", "pinned"):
        decider = Decider(
            parse(formula), {n: s for n, s in known.items() if n in formula}, order=order
        )
        made = decider.decide(pl.DataFrame({"text": ["bad"]}))
        assert made.keep.to_list() == [kept]
        assert made.faulted.to_list() == [faulted]
        assert bool(made.faults) is faulted


def _no(text: pl.Expr) -> pl.Expr:
    return text.is_null()


def _short(text: pl.Series) -> pl.Series:
    return text.head(1) == "a"


def _texts(text: pl.Series) -> pl.Series:
    return text


def _lists(text: pl.Series) -> pl.Series:
    return [True] * len(text)


def _word(text: str) -> bool:
    return "yes"


def _number(text: str) -> bool:
    return 1


def _truth(text: str) -> float:
    return True


def _missing(text: str) -> bool:
    import a_module_that_is_missing

    return a_module_that_is_missing is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_short, "gave 1 answer for 2 rows"),
        (_texts, "gives String, expected Boolean"),
        (_lists, "returned list, expected a polars Series"),
        (_word, r"returned 'yes' \(str\), expected True, False or None"),
        (_number, r"returned 1 \(int\), expected True, False or None"),
        (_truth, r"returned True \(bool\), expected a number"),
        (_missing, "imports 'a_module_that_is_missing'"),
    ],
)
def test_an_answer_of_the_wrong_kind_stops_at_once(function, message):
    found = signal(function)
    question = found >= 1 if found.returns == "score" else found
    with pytest.raises(SignalError, match=message) as caught:
        question.decide(pl.DataFrame({"text": ["a", "b"]}))
    assert function.__name__ in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.__setitem__(0, "spoilt"),
        lambda text: text.append(text),
        lambda text: text.extend(text),
        lambda text: text.rename("spoilt"),
        lambda text: text.sort(in_place=True),
        lambda text: text.to_frame().insert_column(0, text.alias("x")),
    ],
)
def test_the_input_cannot_be_spoilt(spoil):
    @signal
    def spoiler(text: pl.Series) -> pl.Series:
        answer = text.str.len_chars() > 0
        spoil(text)
        return answer

    frame = pl.DataFrame({"text": ["b", "a", "c"]})
    made = spoiler.decide(frame)
    assert made.keep.to_list() == [True] * 3
    assert frame.to_dict(as_series=False) == {"text": ["b", "a", "c"]}


def test_one_row_from_python_raises():
    with pytest.raises(SignalError, match=r"'row' failed on row 0 \(bad\): ValueError"):
        row("bad")


def test_every_row_may_raise():
    made = batch.decide(pl.DataFrame({"text": ["bad"] * 200}))
    assert made.keep.null_count() == 200
    assert len(made.faults) == 200
    assert sum("Traceback" in fault.traceback for fault in made.faults) == 50


def test_a_preprocessor_that_raises():
    @preprocessor
    def words(text: str) -> list[str]:
        if text == "bad":
            raise ValueError("no words")
        return text.split()

    @signal(pre=[words])
    def two(words: list) -> bool:
        return len(words) == 2

    made = two.decide(pl.DataFrame({"text": ["a b", "bad", "c", "bad"]}))
    assert made.keep.to_list() == [True, None, False, None]
    assert [fault.row for fault in made.faults] == [1, 3]


def test_memory_errors_are_not_swallowed():
    @signal
    def greedy(text: str) -> bool:
        raise MemoryError

    with pytest.raises(MemoryError):
        greedy.decide(pl.DataFrame({"text": ["a"]}))
