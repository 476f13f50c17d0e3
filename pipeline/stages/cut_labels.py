"""The share of every class of voted labels that the texts nearby agree with most.

Which rows those are is a function of the kept rows alone: a refresh, which has all candidates at
hand, keeps what a full run would keep. Neighbours are looked for among REFERENCE rows at most,
those with the lowest ids, which are hashes; of each row are remembered class, statistic and id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.storage.part_files import Mask, Part, rows_at
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.section import label_text
from siftset.schemas.results.label_metrics import KeptClass, LabelCut
from siftset.signals.label_votes.cut_statistic import Reference, keep_best, measure_cut
from siftset.signals.label_votes.voters import LABEL
from siftset.signals.labels import labels_as_text
from siftset.signals.selection.turns import ID_BITS, round_vectors
from siftset.signals.static_vectors.model import load_static

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun

REFERENCE: Final = 20_000
_BLOCK: Final = 16_384
_OTHER: Final = -1
_UNKNOWN: Final = -2

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CutRows:
    """Which candidates stay, and what is told of it; those without a label all stay."""

    stays: Mask
    facts: LabelCut


class _Block(NamedTuple):
    """Some labelled rows."""

    frame: pl.DataFrame
    """text, row_id, place."""
    labels: Integers
    ids: Integers
    known: Integers
    """The number of the known label; _OTHER for another class, _UNKNOWN where it is not known."""


def cut_labels(run: CurateRun, parts: Sequence[Part], kept: Mask) -> CutRows | None:
    """Choose among the candidates that repeat no other row; None where the recipe keeps all."""
    label, voters = run.job.recipe.label, run.job.voters
    if label is None or voters is None or label.keep_share is None:
        return None
    rows = _LabelledRows(parts, kept, voters.classes, voters.known)
    reference = rows.draw_reference()
    found = [
        (
            block.frame["place"].to_numpy(),
            block.labels,
            block.ids,
            block.known,
            measure_cut(
                _embed(block.frame["text"]),
                block.labels,
                block.frame["place"].to_numpy(),
                reference,
            ),
        )
        for block in rows.read()
    ]
    places, labels, ids, known, cut = (
        np.concatenate([np.zeros(0, np.int64), *(one[at] for one in found)]) for at in range(5)
    )
    best = keep_best(cut, labels, ids, label.keep_share)
    stays = np.ones(len(kept), np.bool_)
    stays[places] = best
    facts = LabelCut(
        share=label.keep_share,
        rows=len(best),
        taken=int(best.sum()),
        unlabelled=int(kept.sum()) - len(best),
        reference=len(reference.labels),
        classes=tuple(_count_classes(voters.classes, labels, known, best)),
    )
    run.progress.say(
        f"{facts.taken:,} of {format_count(facts.rows, 'voted label')} "
        f"{conjugate(facts.taken, 'stay')}, those that the texts nearby agree with most"
    )
    return CutRows(stays, facts)


def _count_classes(
    names: Sequence[str], labels: Integers, known: Integers, best: Mask
) -> Iterator[KeptClass]:
    """Yield the rows of each class, those that stay, and how many of both are right."""
    for at, name in enumerate(names):
        here, told = labels == at, known != _UNKNOWN
        yield KeptClass(
            label=name,
            rows=int(here.sum()),
            taken=int((here & best).sum()),
            known=int((here & told).sum()),
            right=int((here & (known == at)).sum()),
            taken_known=int((here & best & told).sum()),
            taken_right=int((here & best & (known == at)).sum()),
        )


@dataclass(frozen=True, slots=True)
class _LabelledRows:
    parts: Sequence[Part]
    kept: Mask
    classes: tuple[str, ...]
    known: str | None

    def read(self) -> Iterator[_Block]:
        """Read the kept rows that have a label, block by block."""
        codes = {label_text(name): at for at, name in enumerate(self.classes)}
        known = [] if self.known is None else [self.known]
        truth = pl.lit(None, pl.String) if self.known is None else labels_as_text(pl.col(*known))
        columns = list(dict.fromkeys(["text", "row_id", LABEL, *known]))
        numbers = pl.col("row_id").str.slice(0, ID_BITS // 4).str.to_integer(base=16)
        for frame in rows_at(self.parts, self.kept, columns):
            some = frame.with_columns(
                label=labels_as_text(pl.col(LABEL)).replace_strict(
                    codes, default=None, return_dtype=pl.Int64
                ),
                known=pl.when(truth.is_null())
                .then(_UNKNOWN)
                .otherwise(truth.replace_strict(codes, default=_OTHER, return_dtype=pl.Int64)),
                id=numbers,
            ).drop_nulls(["label", "text"])
            for rows in some.iter_slices(_BLOCK):
                given = (rows[name].to_numpy() for name in ("label", "id", "known"))
                yield _Block(rows.select("text", "row_id", "place"), *given)

    def draw_reference(self) -> Reference:
        """Return the rows with the lowest ids, which are hashes, and the share of every class."""
        drawn = pl.DataFrame()
        counts = np.zeros(len(self.classes), np.int64)
        for block in self.read():
            counts += np.bincount(block.labels, minlength=len(counts))
            new = block.frame.with_columns(label=pl.Series(block.labels))
            drawn = pl.concat([drawn, new], how="diagonal").sort("row_id", "place").head(REFERENCE)
        if drawn.is_empty():
            nothing = np.zeros(0, np.int64)
            vectors = np.zeros((0, 1), np.float32)
            return Reference(vectors, nothing, nothing, np.zeros(len(counts)))
        shares = counts / counts.sum()
        places = drawn["place"].to_numpy()
        return Reference(_embed(drawn["text"]), drawn["label"].to_numpy(), places, shares)


def _embed(texts: pl.Series) -> NDArray[np.float32]:
    return round_vectors(load_static().embed(texts))
