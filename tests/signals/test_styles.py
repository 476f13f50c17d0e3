"""Signals in every style that people write: they work, or one line says what to write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType

import polars as pl
import pytest

import siftset
from siftset import Decider, parse, preprocessor, sentiment, signal
from siftset.schemas.errors import FormulaError, SignalError
from siftset.signals.plugins import load_file, load_signal
from siftset.signals.tracking.fingerprint import trace_function

TEXTS = pl.DataFrame({"text": ["a cat", "dog", None]})

WORKING = {
    "pl.col in a body": """
        @signal
        def s(text: pl.Expr) -> pl.Expr:
            return pl.col("text").str.contains("a")
    """,
    "from polars import col": """
        from polars import col

        @signal
        def s(text: pl.Expr) -> pl.Expr:
            return col("text").str.contains("a")
    """,
    "pl.col in a batch": """
        @signal
        def s(text: pl.Series) -> pl.Series:
            return text.to_frame("text").select(pl.col("text").str.contains("a")).to_series()
    """,
    "pl.when": """
        @signal
        def s(text: pl.Expr) -> pl.Expr:
            return pl.when(text.str.len_chars() > 3).then(text.str.contains("a")).otherwise(False)
    """,
    "an alias": """
        from polars import Expr as E

        @signal
        def s(text: E) -> E:
            return text.str.contains("a")
    """,
    "annotations as text": """
        @signal
        def s(text: "pl.Expr") -> "pl.Expr":
            return text.str.contains("a")
    """,
    "Union": """
        from typing import Optional, Union

        @signal
        def s(text: Optional[str]) -> Union[bool, None]:
            return "a" in text
    """,
    "numpy": """
        import numpy as np

        @signal
        def s(text: pl.Series) -> np.ndarray:
            return np.array(["a" in one for one in text])
    """,
    "annotations of the future": """
        from __future__ import annotations

        @signal
        def s(text: str) -> bool | None:
            return "a" in text
    """,
}


def write(folder: Path, body: str) -> Path:
    lines = [line[8:] for line in body.splitlines()]
    future = [line for line in lines if "__future__" in line]
    rest = [line for line in lines if line not in future]
    head = [*future, "import polars as pl", "from siftset import signal"]
    path = folder / "mine.py"
    path.write_text("\n".join([*head, *rest]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("style", WORKING)
def test_a_style_works(style: str, tmp_path: Path) -> None:
    write(tmp_path, WORKING[style])
    made = load_signal("mine.py:s", folder=tmp_path, signal="s")
    made.check(TEXTS.schema)
    assert made.decide(TEXTS).keep.to_list() == [True, False, None]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import functools\n        s = signal(functools.partial(max, 'a'))", "above a partial"),
        ("class C:\n            def __call__(self, text: str): ...\n        s = signal(C())",
         "that calls it"),
        ("@signal\n        async def s(text: str) -> bool: ...", "without async"),
        ("import sys\n        sys.exit(0)", "take out sys.exit"),
        ("import sys\n        raise SystemExit", "take out sys.exit"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=message) as caught:
        load_file(write(tmp_path, f"\n        {body}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["polars", "numpy", "re", "datetime", "pathlib", "torch"])
def test_no_foreign_object_is_asked(name: str) -> None:
    library = pytest.importorskip(name)
    objects = {name: value for name, value in vars(library).items() if not name.startswith("_")}
    for name, value in objects.items():
        scope = {"found": value}
        exec("def f():\n    return found", scope)
        asked = scope["f"]
        assert isinstance(asked, FunctionType)
        assert len(trace_function(asked).hash) == 32, name


def test_an_object_that_answers_anything_is_not_asked() -> None:
    class Answers:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"asked for {name}")

        def __bool__(self) -> bool:
            raise AssertionError("asked for its truth")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None

    found = Answers()
    assert trace_function(lambda: found).untracked == ()


def _shared() -> Callable[[str], bool]:
    """Make a function that keeps what it works on in a place that its calls share."""
    state: dict[str, str] = {}

    def function(text: str) -> bool:
        state["text"] = text
        time.sleep(0.0001)
        return state["text"].startswith("a")

    return function


def test_row_functions_of_a_module_take_turns() -> None:
    function = _shared()

    @signal
    def early(text: str) -> bool:
        return function(text)

    frames = [pl.DataFrame({"text": [f"{letter}{n}" for n in range(100)]}) for letter in "abab"]
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda frame: early.decide(frame).keep.sum(), frames))
    assert kept == [100, 0, 100, 0]
    assert threading.active_count() < 50


def test_equal_values_of_other_types_are_asked_apart() -> None:
    @signal
    def shown(value: float) -> float:
        return 1.0 if str(value).startswith("-") else 0.0

    frame = pl.DataFrame({"value": [0.0, -0.0, 0.0, -0.0]})
    made = Decider(parse("shown >= 1"), {"shown": shown}).decide(frame)
    assert made.keep.to_list() == [False, True, False, True]


@pytest.mark.parametrize("power", [400, 10_000])
def test_a_number_too_great_is_one_line(power: int) -> None:
    @signal
    def huge(text: str) -> float:
        return 10**power

    with pytest.raises(SignalError, match=r"expected one below 1.8e308"):
        Decider(parse("huge > 1"), {"huge": huge}).decide(TEXTS)


def test_a_list_is_no_text() -> None:
    @signal
    def tagged(tags: list[str]) -> bool:
        return "a1" in tags

    lists = pl.DataFrame({"tags": [["a1"], ["a10"], None]})
    assert tagged.decide(lists).keep.to_list() == [True, False, None]
    with pytest.raises(SignalError, match="as list, but it is String"):
        tagged.check(pl.Schema({"tags": pl.String}))


def test_an_argument_is_what_its_annotation_says_or_one_line_says_how_to_write_it() -> None:
    @preprocessor
    def words(tags: str) -> list[str]:
        return tags.split()

    @signal
    def alone(tags: str) -> bool:
        return "a1" in tags

    @signal
    def beside(stars: int, tags: str) -> bool:
        return stars > 3 and "a1" in tags

    @signal(pre=[words])
    def prepared(words: list[str]) -> bool:
        return "a1" in words

    @signal
    def either(tags: str | list[str]) -> bool:
        return "a1" in tags

    columns = {"stars": pl.Int64, "tags": pl.List(pl.String)}
    for made in (alone, beside, prepared):
        with pytest.raises(SignalError) as told:
            made.check(pl.Schema(columns))
        assert str(told.value) == (
            f"signal '{made.name}' reads column 'tags' as text, but it is List(String); annotate "
            "it  tags: list[str], map another column or cast it"
        )
        made.check(pl.Schema({**columns, "tags": pl.String}))
    either.check(pl.Schema(columns))
    lists = pl.DataFrame({"tags": [["a1"], ["a10"], None]})
    assert either.decide(lists).keep.to_list() == [True, False, None]
    with pytest.raises(SignalError, match=r"but it is Struct.*annotate it  tags: dict, map"):
        beside.check(pl.Schema({"stars": pl.Int64, "tags": pl.Struct({"a": pl.String})}))
    with pytest.raises(SignalError, match=r"as number, but it is Date; annotate it  stars: date"):
        beside.check(pl.Schema({"stars": pl.Date, "tags": pl.String}))


@pytest.mark.parametrize("ending", [SystemExit(0), GeneratorExit()], ids=["exit", "generator"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_body_that_ends_the_process_is_a_fault_of_its_row(ending, batch: bool) -> None:
    def fail(text: str) -> bool:
        if text == "dog":
            raise ending
        return True

    @signal
    def rows(text: str) -> bool:
        return fail(text)

    @signal
    def batches(text: pl.Series) -> pl.Series:
        return pl.Series([fail(one) for one in text])

    made = (batches if batch else rows).decide(TEXTS)
    assert made.keep.to_list() == [True, None, None]
    assert [fault.row for fault in made.faults] == [1]
    assert "ends a process" in made.faults[0].error


def test_a_name_may_stand_for_a_combination() -> None:
    loud = siftset.regex("!", name="loud")
    decider = Decider(parse("s & ~loud"), {"s": sentiment() >= 0.05, "loud": loud})
    frame = pl.DataFrame({"text": ["great", "great!", "bad", None]})
    assert decider.decide(frame).keep.to_list() == [True, False, False, None]
    with pytest.raises(FormulaError, match="no score"):
        Decider(parse("s >= 1"), {"s": sentiment() >= 0.05})
    with pytest.raises(SignalError, match="'s' stands for 'loud'"):
        Decider(parse("s"), {"s": "loud"})  # type: ignore[dict-item]
