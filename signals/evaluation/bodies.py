"""Runs the body of a signal on the values of some rows, whatever its kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.schemas.errors import SignalError
from siftset.schemas.plurals import format_count
from siftset.signals.evaluation.faults import blame_row, isolate_faults
from siftset.signals.evaluation.spec import Preprocessor, SignalSpec, make_expression

Codes: TypeAlias = NDArray[np.uint8]
Scores: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
Values: TypeAlias = pl.Series | list[object]
"""One input of a body, a value for each row; a list where a row-wise step made it."""

FALSE, TRUE, UNKNOWN, SKIPPED = 0, 1, 2, 3
"""Codes of what a signal said, in the order of schemas.rows.STATES."""


def run_body(
    signal: SignalSpec, inputs: Mapping[str, Values], size: int
) -> tuple[Codes | Scores, Faults]:
    """Ask a signal about `size` rows; a row that raises is unknown and among the faults.

    Booleans come as codes, scores as floats with NaN for unknown. Raises SignalError for answers
    of a wrong type or number.
    """
    if signal.kind == "row":
        answers, raised = _run_rows(signal.function, inputs, size, signal.name)
        return _to_array(signal, answers, raised), raised
    outcome = isolate_faults(
        lambda a, b: _run_block(signal, inputs, a, b), size, signal=signal.name
    )
    if len(outcome.parts) == 1 and not outcome.raised:
        return outcome.parts[0][2], outcome.raised
    whole: Codes | Scores = np.full(size, np.nan)
    if signal.returns == "bool":
        whole = np.full(size, UNKNOWN, np.uint8)
    for start, end, part in outcome.parts:
        whole[start:end] = part
    return whole, outcome.raised


Faults: TypeAlias = dict[int, Exception]


def run_preprocessor(
    step: Preprocessor, inputs: Mapping[str, Values], size: int
) -> tuple[Values, Faults]:
    """Run a preprocessor; a row that raises has no value and is among the faults."""
    if step.kind == "row":
        answers, raised = _run_rows(step.function, inputs, size, step.name)
        return answers, raised
    outcome = isolate_faults(
        lambda a, b: _run_step_block(step, inputs, a, b), size, signal=step.name
    )
    parts: list[pl.Series] = []
    position = 0
    for start, end, part in outcome.parts:
        parts += [pl.Series([None] * (start - position), dtype=part.dtype), part]
        position = end
    if not parts:
        return pl.Series([None] * size), outcome.raised
    parts.append(pl.Series([None] * (size - position), dtype=parts[-1].dtype))
    return pl.concat(parts), outcome.raised


def to_codes(answer: pl.Series) -> Codes:
    """Turn yes, no and null into codes."""
    return answer.cast(pl.UInt8).fill_null(UNKNOWN).to_numpy()


def to_scores(answer: pl.Series) -> Scores:
    """Turn numbers into floats, null into NaN."""
    return answer.cast(pl.Float64).to_numpy()


def to_answers(signal: SignalSpec, answer: pl.Series) -> Codes | Scores:
    """Turn a body's answers into codes or scores, checking their type."""
    signal.check_dtype(answer.dtype)
    if answer.dtype == pl.Null:
        answer = answer.cast(pl.Boolean if signal.returns == "bool" else pl.Float64)
    return to_codes(answer) if signal.returns == "bool" else to_scores(answer)


def _run_block(
    signal: SignalSpec, inputs: Mapping[str, Values], start: int, end: int
) -> Codes | Scores:
    size = end - start
    piece = {name: _own_series(values[start:end]) for name, values in inputs.items()}
    if signal.kind == "expression":
        answer = pl.DataFrame(piece).select(signal.expression()).to_series()
    else:
        answer = _checked_series(signal.function(*piece.values()), signal.name)
    if len(answer) != size:
        raise SignalError(
            f"signal '{signal.name}' gave {format_count(len(answer), 'answer')} for "
            f"{format_count(size, 'row')}, expected one for each row"
        )
    return to_answers(signal, answer)


def _run_step_block(
    step: Preprocessor, inputs: Mapping[str, Values], start: int, end: int
) -> pl.Series:
    piece = {name: _own_series(values[start:end]) for name, values in inputs.items()}
    if step.kind == "expression":
        answer = make_expression(f"preprocessor '{step.name}'", step.function, tuple(piece))
        made = pl.DataFrame(piece).select(answer.alias(step.name)).to_series()
    else:
        made = _checked_series(step.function(*piece.values()), step.name)
    if len(made) != end - start:
        raise SignalError(
            f"preprocessor '{step.name}' gave {format_count(len(made), 'value')} for "
            f"{format_count(end - start, 'row')}"
        )
    return made


def _own_series(values: Values) -> pl.Series:
    """Hand out a series of its own, which the body may spoil without harm."""
    return values.clone() if isinstance(values, pl.Series) else pl.Series(values, strict=False)


def _checked_series(answer: object, name: str) -> pl.Series:
    if isinstance(answer, pl.Series):
        return answer
    if isinstance(answer, np.ndarray) and answer.ndim == 1:
        return pl.Series(answer)
    kind = f"{type(answer).__module__.partition('.')[0]}.{type(answer).__name__}"
    hint = ": return pl.from_pandas(...) of it" if kind == "pandas.Series" else ""
    raise SignalError(
        f"signal '{name}' returned {kind.removeprefix('builtins.')}, expected a polars Series "
        f"or a one-dimensional numpy array{hint}"
    )


def _run_rows(
    function: Callable[..., object], inputs: Mapping[str, Values], size: int, name: str
) -> tuple[list[object], Faults]:
    """Call a function once for each distinct row, in one thread at a time.

    Functions of one module take turns: they may share what the module holds, and the interpreter
    runs one of them at a time anyway.
    """
    columns = [values.to_list() if isinstance(values, pl.Series) else values
               for values in inputs.values()]  # fmt: skip
    plain = all(isinstance(values, pl.Series) and values.dtype == pl.String
                for values in inputs.values())  # fmt: skip
    memo: dict[object, object] = {}
    failed: dict[object, Exception] = {}
    raised: Faults = {}
    answers: list[object] = []
    written = getattr(getattr(function, "definition", None), "function", function)
    module = getattr(written, "__module__", None) or ""
    with _locks.setdefault(module, threading.RLock()):
        for position, row in enumerate(zip(*columns, strict=True)):
            key = row if plain else tuple(map(_exact_value, row))
            if key not in memo:
                try:
                    memo[key] = function(*row)
                except BaseException as error:
                    failed[key] = blame_row(error, name)
                    memo[key] = None
            if key in failed:
                raised[position] = failed[key]
            answers.append(memo[key])
    return answers, raised


_locks: dict[str, threading.RLock] = {}


def _exact_value(value: object) -> object:
    """Give what equals a value of the same type alone: 1, 1.0 and True differ, 0.0 and -0.0 too."""
    if isinstance(value, float):
        return (float, value.hex())
    if isinstance(value, list):
        return (list, *map(_exact_value, value))
    if isinstance(value, dict):
        return (dict, *((key, _exact_value(item)) for key, item in value.items()))
    try:
        hash(value)
    except TypeError:
        return (type(value), id(value))
    return (type(value), value)


def _to_array(signal: SignalSpec, answers: list[object], raised: Faults) -> Codes | Scores:
    if signal.returns == "bool":
        for value in answers:
            if not (value is None or value is True or value is False
                    or isinstance(value, np.bool_)):  # fmt: skip
                raise _wrong_answer(signal, value, "True, False or None")
        codes = (UNKNOWN if value is None else int(bool(value)) for value in answers)
        return np.fromiter(codes, np.uint8, len(answers))
    scores = np.full(len(answers), np.nan)
    for row, value in enumerate(answers):
        if value is None:
            continue
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
            raise _wrong_answer(signal, value, "a number or None")
        try:
            scores[row] = value
        except OverflowError:
            raise _wrong_answer(signal, value, "one below 1.8e308") from None
    return scores


def _wrong_answer(signal: SignalSpec, value: object, expected: str) -> SignalError:
    try:
        shown = f"{value!r:.40}"
    except ValueError:  # Python writes no whole number of more than some thousand digits
        shown = "a number of too many digits"
    return SignalError(
        f"signal '{signal.name}' returned {shown} ({type(value).__name__}), expected {expected}"
    )
