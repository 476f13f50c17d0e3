"""Held-out rows of a language model before and after: loss, perplexity, accuracy, forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import Change, Forgetting, SliceChange, WinRate
from siftset.trainer.comparison.slices import parts_of
from siftset.trainer.inference.protocols import HITS_1, HITS_5, LOSS, RECIPROCAL, TOKENS
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    change,
    finite,
    ratio_draws,
    win_rate,
)

Scored = tuple[Array | None, Array]
"""Sums by row, before (None: there was no model to ask) and after; loss first, tokens second."""

LOWER_IS_BETTER = frozenset({"loss", "perplexity"})

_MASKED = (("accuracy_at_1", HITS_1), ("accuracy_at_5", HITS_5), ("mrr", RECIPROCAL))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Sums over all rows, and over every resample of them."""

    sums: Array
    draws: Array

    @classmethod
    def of(cls, parts: Array, bootstrap: Bootstrap) -> _Drawn:
        return cls(parts.sum(0), ratio_draws(parts, bootstrap))

    def figure(self, column: int, tokens: int = TOKENS) -> Figure:
        with np.errstate(invalid="ignore", divide="ignore"):
            return Figure(
                float(np.divide(self.sums[column], self.sums[tokens])),
                self.draws[:, column] / self.draws[:, tokens],
            )


def _exp(figure: Figure) -> Figure:
    with np.errstate(over="ignore"):
        return Figure(float(np.exp(figure.value)), np.exp(figure.draws))


def language_figures(parts: Array, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Return loss and perplexity, and for a masked model also accuracy at 1 and 5, and MRR.

    Draws pair with those of another model's sums of the same rows.
    """
    drawn = _Drawn.of(parts, bootstrap)
    loss = drawn.figure(LOSS)
    figures = {"loss": loss, "perplexity": _exp(loss)}
    if parts.shape[1] > RECIPROCAL:
        figures |= {name: drawn.figure(column) for name, column in _MASKED}
    return figures


def language_changes(scored: Scored, bootstrap: Bootstrap) -> tuple[Change, ...]:
    """Return the changes of what `language_figures` measures."""
    before, after = scored
    old = {} if before is None else language_figures(before, bootstrap)
    return tuple(
        change(
            name,
            old.get(name),
            figure,
            n=len(after),
            bootstrap=bootstrap,
            higher_is_better=name not in LOWER_IS_BETTER,
        )
        for name, figure in language_figures(after, bootstrap).items()
    )


def language_slices(
    frame: pl.DataFrame, scored: Scored, names: Sequence[str], bootstrap: Bootstrap
) -> tuple[SliceChange, ...]:
    """Return the changes of what `language_figures` measures, but for loss, on parts of rows."""
    before, after = scored
    return tuple(
        SliceChange(column=name, value=value, change=one)
        for name, value, chosen in parts_of(frame, names)
        for one in language_changes(
            (None if before is None else before[chosen], after[chosen]), bootstrap
        )[1:]
    )


def loss_wins(scored: Scored, bootstrap: Bootstrap) -> tuple[WinRate, ...]:
    """Return on how many rows the loss fell; nothing without a model before."""
    before, after = scored
    if before is None:
        return ()
    asked = (before[:, TOKENS] > 0) & (after[:, TOKENS] > 0)
    old, new = (side[asked, LOSS] / side[asked, TOKENS] for side in (before, after))
    return (win_rate("rows with lower loss", old - new, bootstrap.level),)


def forgetting(
    in_domain: Scored | None,
    general: Scored | None,
    bootstrap: Bootstrap,
    limit: float | None = None,
) -> Forgetting:
    """Judge the rise of perplexity on general text against the gate's limit.

    The gate trips when the measured rise is strictly above the limit.
    """
    domain = None if in_domain is None else language_changes(in_domain, bootstrap)[1]
    if general is None or general[0] is None or not general[1][:, TOKENS].sum():
        return Forgetting(
            in_domain=domain,
            limit=limit,
            note="not measured: the recipe names no general text (compare.general)",
        )
    old, new = (_Drawn.of(side, bootstrap).figure(LOSS) for side in (general[0], general[1]))
    rise = _exp(Figure(new.value - old.value, new.draws - old.draws))
    increase = finite(rise.value - 1)
    failed = limit is not None and (increase is None or increase > limit)
    return Forgetting(
        in_domain=domain,
        general=language_changes(general, bootstrap)[1],
        increase=increase,
        increase_interval=bootstrap.interval(rise.draws - 1),
        limit=limit,
        verdict="not judged" if limit is None else ("fail" if failed else "pass"),
    )
