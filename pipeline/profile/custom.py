"""The user's own metrics: functions of the kept rows that give one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from siftset.schemas.errors import SignalError, as_exception, describe_error
from siftset.signals.plugins import load_file

Metric = Callable[[pl.LazyFrame], float | int]


def load_metrics(named: Mapping[str, str], folder: Path) -> dict[str, Metric]:
    """Load what `integrity.metrics` names as file.py:function, relative to `folder`.

    Raises SignalError for a file that does not run or a function that is not there.
    """
    found: dict[str, Metric] = {}
    for name, target in named.items():
        file, separator, function = target.rpartition(":")
        where = f"integrity.metrics.{name}"
        if not separator or not file.endswith(".py") or not function.isidentifier():
            raise SignalError(f"{where}: expected  file.py:function, found '{target}'")
        metric = getattr(load_file(folder / file), function, None)
        if not callable(metric):
            raise SignalError(f"{where}: '{file}' has no function {function}: define it there")
        found[name] = metric
    return found


def ask_metrics(metrics: Mapping[str, Metric], kept: pl.LazyFrame) -> dict[str, float | int]:
    """Ask every metric about the kept rows; raise SignalError for one that gives no number."""
    found: dict[str, float | int] = {}
    for name, metric in metrics.items():
        where = f"integrity.metrics.{name}"
        try:
            value = metric(kept)
        except BaseException as error:
            said = describe_error(as_exception(error))
            raise SignalError(
                f"{where}: the function failed on the kept rows: {said}; it is given a polars "
                "LazyFrame and returns a number"
            ) from error
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise SignalError(f"{where}: expected a finite number, the function gave {value!r:.60}")
        found[name] = value
    return found
