"""What is left out of the rows that the formula keeps and that repeat no other: why, and which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from siftset.pipeline.stages.cut_labels import cut_labels
from siftset.pipeline.stages.process_shard import rejected_rows
from siftset.pipeline.stages.select_rows import select_rows
from siftset.pipeline.storage.part_files import Mask, Part, Reasons
from siftset.schemas.results.columns import CUT, LEFT_BY, LEFT_OUT, SELECT, STATE
from siftset.schemas.results.label_metrics import LabelCut
from siftset.schemas.results.metrics import Selection

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Which of the candidates are left out, and what is told of it."""

    reasons: Reasons
    """By candidate; those that repeat another row are never left out by a choice."""
    selection: Selection | None
    cut: LabelCut | None


def choose_rows(run: CurateRun, parts: Sequence[Part], kept: Mask) -> RowChoice | None:
    """Choose among the kept candidates; None where the recipe takes all.

    First labels that the texts nearby do not agree with are cut, then a selection takes of the
    others.
    """
    cut = cut_labels(run, parts, kept)
    stays = kept if cut is None else kept & cut.stays
    selection = select_rows(run, parts, stays)
    if cut is None and selection is None:
        return None
    reasons = np.zeros(len(kept), np.uint8)
    reasons[kept & ~stays] = LEFT_OUT.index(CUT)
    if selection is not None:
        reasons[stays & ~selection.taken] = LEFT_OUT.index(SELECT)
    facts = None if selection is None else selection.facts
    return RowChoice(reasons, facts, None if cut is None else cut.facts)


def reject_left(
    frame: pl.DataFrame, clauses: pl.Enum, record: Literal["full", "decisions", "none"]
) -> pl.DataFrame:
    """Return candidates that are left out, by their column LEFT_BY, as rejected rows."""
    # candidates hold what a Delta table can; the records that shards wrote have types of their own
    states = {field.name: STATE for field in frame.schema["signals"].fields}  # type: ignore[attr-defined]
    rows = frame.with_columns(pl.col("signals").cast(pl.Struct(states)))
    names = dict(enumerate(LEFT_OUT))
    clause = pl.col(LEFT_BY).replace_strict(names, return_dtype=pl.String).cast(clauses)
    return rejected_rows(rows, clause, record)
