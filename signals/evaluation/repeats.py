"""Whether a signal answers a row the same when it is asked again: a few rows are asked twice.

Answers are stored and recalled, batches are retried and machines repeat each other's work, all of
which is right only for a function of its input. siftset's own signals are; users' are tried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from weakref import WeakKeyDictionary

import numpy as np

from siftset.signals.evaluation.bodies import Codes, Scores, Values, run_body
from siftset.signals.evaluation.faults import excerpt
from siftset.signals.evaluation.spec import SignalSpec

SAMPLE = 16
"""Rows that are asked twice."""
_SECONDS = 0.5
"""Time that asking again may take; of a slow signal fewer rows are asked."""
_CLOSE = {"rtol": 1e-4, "atol": 1e-6}
"""Scores that a model gives in batches of different sizes differ by less."""

_found: WeakKeyDictionary[Callable[..., object], str | None] = WeakKeyDictionary()
"""By function, the difference that was found, "" for none; None while rows are asked again."""
_lock = threading.Lock()


def find_difference(
    signal: SignalSpec,
    gather: Callable[[int], Mapping[str, Values]],
    answers: Codes | Scores,
    *,
    raised: Collection[int] = (),
    seconds: float,
) -> str | None:
    """Ask the first of some rows again; tell the first answer that differs, or "" where none does.

    `gather` gives what the body reads of so many of the rows, and `seconds` is what all of them
    took. A function is asked again once a process; None says that another thread is about to.
    """
    # users' functions are wrapped with their parameters
    definition = getattr(signal.function, "definition", None)
    function: Callable[..., object] = getattr(definition, "function", signal.function)
    if getattr(function, "__module__", "").startswith("siftset.") or not answers.size:
        return ""
    with _lock:
        if function in _found:
            return _found[function]
        _found[function] = None
    told = ""
    try:
        count = min(answers.size, SAMPLE, 1 + int(_SECONDS * answers.size / max(seconds, 1e-6)))
        inputs = gather(count)
        again, failed = run_body(signal, inputs, count)
        told = _compare(signal, inputs, answers[:count], again, {*raised}, {*failed})
    finally:
        with _lock:
            _found[function] = told
    return told


def _compare(
    signal: SignalSpec,
    inputs: Mapping[str, Values],
    first: Codes | Scores,
    again: Codes | Scores,
    raised: set[int],
    failed: set[int],
) -> str:
    if signal.returns == "score":
        equal = np.isclose(first, again, **_CLOSE, equal_nan=True)
    else:
        equal = first == again
    values = next(iter(inputs.values()))
    for row in range(len(equal)):
        if row in raised and row in failed:
            continue
        if (row in raised) != (row in failed):
            return f"on '{excerpt(values[row], 40)}' it raised an exception once and once not"
        if not equal[row]:
            one, other = (_name_answer(signal, codes[row]) for codes in (first, again))
            return f"on '{excerpt(values[row], 40)}' it said {one}, then {other}"
    return ""


def _name_answer(signal: SignalSpec, answer: float) -> str:
    if signal.returns == "score":
        return f"{answer:.6g}"
    return ("no", "yes", "unknown", "nothing")[int(answer)]
