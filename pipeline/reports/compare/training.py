"""Curves of the training: loss, perplexity and learning rate by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from siftset.pipeline.reports.charts import Series, draw_lines
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import call_out, note_absence
from siftset.schemas.results.comparison import TrainingCurve
from siftset.schemas.results.summary import Finding
from siftset.schemas.tasks import TASKS, TaskName

_PANELS: Final = {
    "Loss by step": ("loss", "eval_loss"),
    "Perplexity by step": ("perplexity", "eval_perplexity"),
    "Learning rate by step": ("learning_rate",),
}
_NAMES: Final = {
    "loss": "training",
    "perplexity": "training",
    "eval_loss": "validation",
    "eval_perplexity": "validation",
    "learning_rate": "learning rate",
}


_LEVELS: Final = {"critical": "fail", "warning": "warn", "note": "none"}


def show_findings(found: Sequence[Finding]) -> Child:
    """Return what was wrong with the data or the run, the worst first."""
    order = sorted(found, key=lambda one: list(_LEVELS).index(one.level))
    return [call_out(_LEVELS[one.level], one.message) for one in order]


def show_curves(found: Sequence[TrainingCurve], task: TaskName) -> Child:
    """Return the panels for which something was measured."""
    # e to the loss of a classifier is a perplexity of nothing: it predicts no text
    told = [one for one in found if "perplexity" not in one.name or not TASKS[task].labelled]
    named = {one.name: one for one in told}
    panels = [
        draw_lines(
            [_curve_series(named[name], i) for i, name in enumerate(names) if name in named], title
        )
        for title, names in _PANELS.items()
        if any(name in named for name in names)
    ]
    known = {name for names in _PANELS.values() for name in names}
    others = [one for one in told if one.name not in known and len(one.values) > 1]
    panels += [draw_lines([_curve_series(one, 0)], f"{one.name} by step") for one in others[:6]]
    if not panels:
        return note_absence("No curve was recorded: the model was not trained in this run.")
    return h("div", panels, class_="grid3")


def _curve_series(one: TrainingCurve, colour: int) -> Series:
    name = _NAMES.get(one.name, one.name)
    return Series(name, list(zip(one.steps, one.values, strict=False)), colour)
