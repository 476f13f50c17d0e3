"""The laws that every signal keeps, checked on data and on the signal's own examples."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from siftset.schemas.errors import SiftsetError, first_line
from siftset.schemas.plurals import conjugate, format_count
from siftset.signals.evaluation.bodies import UNKNOWN
from siftset.signals.evaluation.faults import excerpt
from siftset.signals.evaluation.spec import SignalSpec, one_cell
from siftset.signals.evaluation.thresholds import SignalUse
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.tree import AskSignal
from siftset.signals.tracking.own_code import is_own


@dataclass(frozen=True, slots=True)
class Law:
    """Whether a signal keeps a law; `detail` says how it breaks it."""

    signal: str
    name: str
    holds: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'FAIL'} {self.signal}: {self.name}" + (
            f": {self.detail}" if self.detail else ""
        )


Check = Callable[[SignalSpec, pl.DataFrame], str]
"""Returns how a law is broken, an empty text where it holds."""


def check_laws(signal: SignalSpec, frame: pl.DataFrame) -> list[Law]:
    """Check a signal's examples and the laws of every signal; `frame` holds its columns.

    Whole numbers of rows from a few to some thousands are enough; nulls and repeats are added.
    """
    laws = [_check_example(signal, number, *pair) for number, pair in enumerate(signal.examples, 1)]
    if frame.height == 0:
        return laws
    data = frame.select(signal.columns)
    nothing = pl.DataFrame({name: [None] for name in data.columns}, schema=data.schema)
    data = pl.concat([data, nothing, data.head(3), nothing])
    for name, check in LAWS.items():
        try:
            broken = check(signal, data)
        except SiftsetError as error:
            # a signal that cannot answer at all breaks every law in the same way: it is said once
            return [*laws, Law(signal.name, name, False, first_line(error))]
        laws.append(Law(signal.name, name, not broken, broken))
        if broken and name in ONE_CAUSE:
            break
    return laws


def _check_example(signal: SignalSpec, number: int, value: object, expected: object) -> Law:
    name = f"example {number} ({excerpt(value, 40)})"
    values = value if isinstance(value, dict) else dict.fromkeys(signal.columns, value)
    try:
        frame = pl.DataFrame({column: one_cell(values[column]) for column in signal.columns})
        space = _make_workspace(signal, frame)
        code = int(space.answer_leaf(AskSignal(signal.name), None)[0])
        found: object = None if code == UNKNOWN else bool(code)
        if signal.returns == "score" and not isinstance(expected, bool):
            score = float(space.scores[signal.name][0])
            found = None if np.isnan(score) else score
    except (SiftsetError, KeyError) as error:
        return Law(signal.name, name, False, first_line(error))
    raised = space.raised.get(signal.name, {})
    if raised:
        return Law(signal.name, name, False, f"raised {_place_of(next(iter(raised.values())))}")
    same = found == expected and isinstance(found, bool) == isinstance(expected, bool)
    return Law(signal.name, name, same, "" if same else f"expected {expected}, found {found}")


def _make_workspace(signal: SignalSpec, frame: pl.DataFrame) -> Workspace:
    return Workspace(frame, {signal.name: SignalUse(signal, None)})


def _answer_array(signal: SignalSpec, frame: pl.DataFrame) -> np.ndarray:
    """Answers as floats: a score, or 0, 1 and NaN."""
    space = _make_workspace(signal, frame)
    codes = space.answer_leaf(AskSignal(signal.name), None)
    if signal.returns == "score":
        return space.scores[signal.name]
    return np.where(codes == UNKNOWN, np.nan, codes.astype(np.float64))


def _compare_answers(frame: pl.DataFrame, first: np.ndarray, second: np.ndarray) -> str:
    differ = np.flatnonzero(~((first == second) | (np.isnan(first) & np.isnan(second))))
    if not differ.size:
        return ""
    row = int(differ[0])
    return (
        f"{differ.size:,} of {format_count(first.size, 'row')} "
        f"{conjugate(differ.size, 'differ')}, first row {row} ({excerpt(frame.row(row)[0], 40)}): "
        f"{first[row]:g} and {second[row]:g}"
    )


def _answers_fit(signal: SignalSpec, frame: pl.DataFrame) -> str:
    signal.check(frame.schema)
    found = _answer_array(signal, frame).size
    return (
        ""
        if found == frame.height
        else f"{format_count(found, 'answer')} for {format_count(frame.height, 'row')}"
    )


def _nulls_stay_unknown(signal: SignalSpec, frame: pl.DataFrame) -> str:
    if signal.nulls == "handle":
        return ""
    null = frame.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
    known = int((~np.isnan(_answer_array(signal, frame)[null])).sum())
    return (
        f"{format_count(known, 'row')} with a null input {conjugate(known, 'are')} not unknown"
        if known
        else ""
    )


def _same_in_any_order(signal: SignalSpec, frame: pl.DataFrame) -> str:
    shuffled = np.random.default_rng(0).permutation(frame.height)
    found = np.empty(frame.height)
    found[shuffled] = _answer_array(signal, frame[shuffled])
    return _compare_answers(frame, _answer_array(signal, frame), found)


def _same_in_batches(signal: SignalSpec, frame: pl.DataFrame, size: int) -> str:
    parts: Sequence[np.ndarray] = [
        _answer_array(signal, frame[start : start + size]) for start in range(0, frame.height, size)
    ]
    return _compare_answers(frame, _answer_array(signal, frame), np.concatenate(parts))


def _same_in_threads(signal: SignalSpec, frame: pl.DataFrame) -> str:
    pieces = [frame[start::4] for start in range(min(4, frame.height))]
    with ThreadPoolExecutor(len(pieces)) as pool:
        parts = list(pool.map(lambda piece: _answer_array(signal, piece), pieces))
    found = np.empty(frame.height)
    for start, part in enumerate(parts):
        found[start::4] = part
    return _compare_answers(frame, _answer_array(signal, frame), found)


def _leaves_input(signal: SignalSpec, frame: pl.DataFrame) -> str:
    before = frame.clone()
    _answer_array(signal, frame)
    return "" if frame.equals(before, null_equal=True) else "the input was changed"


def _raises_nowhere(signal: SignalSpec, frame: pl.DataFrame) -> str:
    space = _make_workspace(signal, frame)
    space.answer_leaf(AskSignal(signal.name), None)
    raised = space.raised.get(signal.name, {})
    if not raised:
        return ""
    row, error = next(iter(raised.items()))
    text = excerpt(frame.row(row)[0], 40)
    return (
        f"raises on {format_count(len(raised), 'row')}, first row {row} ({text}): "
        f"{_place_of(error)}"
    )


def _place_of(error: BaseException) -> str:
    """Show an exception with the line of the user's code that raised it."""
    places = [place for place in traceback.extract_tb(error.__traceback__)
              if is_own(place.filename)]  # fmt: skip
    if not places:
        return f"{error!r:.120}"
    return f"{error!r:.120} on line {places[-1].lineno} of {Path(places[-1].filename).name}"


FAULT_FREE = "raises on no row"
LAWS: dict[str, Check] = {
    "one answer of the right type for each row": _answers_fit,
    FAULT_FREE: _raises_nowhere,
    "the input stays as it is": _leaves_input,
    "null in, unknown out": _nulls_stay_unknown,
    "the same answers again": lambda signal, frame: _compare_answers(
        frame, _answer_array(signal, frame), _answer_array(signal, frame)
    ),
    "the same answers in another order": _same_in_any_order,
    "the same answers in batches of 7": lambda signal, frame: _same_in_batches(signal, frame, 7),
    "the same answers in several threads": _same_in_threads,
    "the same answers row by row": lambda signal, frame: _same_in_batches(
        signal, frame.head(50), 1
    ),
}
"""The laws by name."""

ONE_CAUSE = [name for name in LAWS if name.startswith("the same answers")]
"""Laws that one bug breaks together: the first that is broken is told."""
