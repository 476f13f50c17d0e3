"""The curves of a run: one row a step with whatever was measured at it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

Curves = list[dict[str, float]]

TRAINED = {"loss": "loss", "learning_rate": "learning_rate", "grad_norm": "grad_norm"}


def curves_of(history: Iterable[Mapping[str, float]]) -> Curves:
    """Return steps with loss, perplexity, learning rate and eval_* from the Trainer's log."""
    rows: dict[int, dict[str, float]] = {}
    for log in history:
        kept = {TRAINED[name]: value for name, value in log.items() if name in TRAINED}
        kept |= {name: value for name, value in log.items() if name.startswith("eval_")}
        if not kept:
            continue
        row = rows.setdefault(int(log["step"]), {"step": int(log["step"])})
        if "epoch" in log:
            row["epoch"] = round(log["epoch"], 4)
        row |= kept
        if "loss" in kept:
            row["perplexity"] = math.exp(min(kept["loss"], 700.0))
    return [rows[step] for step in sorted(rows)]


def series_of(curves: Curves, name: str) -> tuple[list[float], list[float]]:
    """Return the steps and values of one curve."""
    points = [(row["step"], row[name]) for row in curves if name in row]
    return [step for step, _ in points], [value for _, value in points]
