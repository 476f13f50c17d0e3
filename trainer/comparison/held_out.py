"""Held-out rows of a language model before and after: loss, perplexity, accuracy, forgetting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import Change, Forgetting, SliceChange, WinRate
from siftset.trainer.comparison.context import Figures, compare_figures
from siftset.trainer.comparison.slices import iter_slices
from siftset.trainer.inference.protocols import HITS_1, HITS_5, LOSS, RECIPROCAL, TOKENS
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    finite,
    ratio_draws,
    win_rate,
)

Scored = tuple[Array | None, Array]
"""Sums by row, before (None: there was no model to ask) and after; loss first, tokens second."""

_MASKED = (("accuracy_at_1", HITS_1), ("accuracy_at_5", HITS_5), ("mrr", RECIPROCAL))


def measure_language(parts: Array, bootstrap: Bootstrap) -> Figures:
    """Return loss and perplexity, and for a masked model also accuracy at 1 and 5, and MRR.

    Draws pair with those of another model's sums of the same rows.
    """
    sums, draws = parts.sum(0), ratio_draws(parts, bootstrap)

    def per_token(column: int) -> Figure:
        with np.errstate(invalid="ignore", divide="ignore"):
            return Figure(
                float(np.divide(sums[column], sums[TOKENS])), draws[:, column] / draws[:, TOKENS]
            )

    loss = per_token(LOSS)
    figures = {"loss": loss, "perplexity": _exponentiate(loss)}
    if parts.shape[1] > RECIPROCAL:
        figures |= {name: per_token(column) for name, column in _MASKED}
    return figures


def _exponentiate(figure: Figure) -> Figure:
    with np.errstate(over="ignore"):
        return Figure(float(np.exp(figure.value)), np.exp(figure.draws))


def compare_language(scored: Scored, bootstrap: Bootstrap) -> tuple[Change, ...]:
    """Return the changes of what `measure_language` measures."""
    before, after = scored
    old = None if before is None else measure_language(before, bootstrap)
    return compare_figures(old, measure_language(after, bootstrap), len(after), bootstrap)


def compare_language_slices(
    frame: pl.DataFrame, scored: Scored, names: Sequence[str], bootstrap: Bootstrap
) -> tuple[SliceChange, ...]:
    """Return the changes of what `language_figures` measures, but for loss, on parts of rows."""
    before, after = scored
    return tuple(
        SliceChange(column=name, value=value, change=one)
        for name, value, chosen in iter_slices(frame, names)
        for one in compare_language(
            (None if before is None else before[chosen], after[chosen]),
            bootstrap.take_rows(chosen),
        )[1:]
    )


def count_loss_wins(scored: Scored, bootstrap: Bootstrap) -> tuple[WinRate, ...]:
    """Return on how many rows the loss fell; nothing without a model before."""
    before, after = scored
    if before is None:
        return ()
    asked = (before[:, TOKENS] > 0) & (after[:, TOKENS] > 0)
    old, new = (side[asked, LOSS] / side[asked, TOKENS] for side in (before, after))
    return (win_rate("rows with lower loss", old - new, bootstrap.take_rows(asked)),)


def judge_forgetting(
    in_domain: Change | None,
    general: Scored | None,
    bootstrap: Bootstrap,
    limit: float | None = None,
) -> Forgetting:
    """Judge the rise of perplexity on general text against the gate's limit.

    `in_domain` is the change of perplexity on held-out rows; `bootstrap` draws the general texts.
    The gate trips when the measured rise is strictly above the limit.
    """
    if general is None or general[0] is None or not general[1][:, TOKENS].sum():
        return Forgetting(
            in_domain=in_domain,
            limit=limit,
            note="not measured: the recipe names no general text (compare.general)",
        )
    old, new = (measure_language(one, bootstrap)["loss"] for one in (general[0], general[1]))
    rise = _exponentiate(Figure(new.value - old.value, new.draws - old.draws))
    increase = finite(rise.value - 1)
    failed = limit is not None and (increase is None or increase > limit)
    return Forgetting(
        in_domain=in_domain,
        general=compare_language(general, bootstrap)[1],
        increase=increase,
        increase_interval=bootstrap.interval(rise.draws - 1),
        limit=limit,
        verdict="not judged" if limit is None else ("fail" if failed else "pass"),
    )
