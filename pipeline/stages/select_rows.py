"""So many of the kept rows, those most like example texts; the others are rejected by `select`.

What is taken is a function of the kept rows and the examples: not of files, shards or threads. So a
refresh, which has all candidates at hand, takes what a full run would take. Rows are read once to
count classes and to draw a sample, and once for every search; what is remembered of each are its
class and whether it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.pipeline.stages.selection_pool import Pool, count_labels, sample_texts, survey_pool
from siftset.pipeline.storage.part_files import Mask, Part, rows_at
from siftset.schemas.errors import RecipeError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import ClassShare, Selection
from siftset.signals.builtin.similar import embed_minilm
from siftset.signals.selection.choice import SCORES, find_directions, take_best_rows
from siftset.signals.selection.turns import share_equally
from siftset.signals.static_vectors.model import load_static

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.schemas.recipe.selection import Select

MOST_CLASSES: Final = 1_000
CANDIDATES: Final = 4
"""Rows that MiniLM looks at for each one that it takes."""
MINILM_SAMPLE: Final = 2_000


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which candidates are taken, and what is told of it."""

    taken: Mask
    facts: Selection


def select_rows(run: CurateRun, parts: Sequence[Part], kept: Mask) -> RowSelection | None:
    """Choose among the candidates that repeat no other row; None where the recipe takes all.

    Raises RecipeError where there are more classes than rows to take, or than MOST_CLASSES.
    """
    select, examples = run.job.recipe.select, run.job.examples
    if select is None or examples is None:
        return None
    pool = survey_pool(run.job, parts, kept)
    shares = _share_rows(select, pool)
    texts = pl.Series(examples.texts, dtype=pl.String)
    taken = pool.classes >= 0
    if sum(shares) < taken.sum():
        taken = _take_rows(select, pool, shares, texts)
    of_taken = sample_texts(frame["text"] for frame in rows_at(parts, taken, ["text"]))
    facts = Selection(
        asked=select.rows,
        rows=int(kept.sum()),
        taken=int(taken.sum()),
        method=select.method,
        model=select.model,
        near=examples.name,
        examples=len(texts),
        fingerprint=examples.fingerprint,
        likeness_taken=_measure_likeness(of_taken, texts),
        likeness_all=_measure_likeness(pool.sample, texts),
        per=select.per,
        unclassed=int(kept.sum()) - sum(pool.sizes),
        classes=tuple(
            ClassShare(name=name, rows=size, taken=share)
            for name, size, share in zip(pool.names, pool.sizes, shares, strict=True)
            if select.per is not None
        ),
        labels=count_labels(parts, kept, taken)
        if select.per is None and "label" in run.job.columns
        else (),
    )
    run.progress.say(
        f"{facts.taken:,} of {format_count(facts.rows, 'row')} {conjugate(facts.taken, 'are')} "
        f"selected, those most like the texts of {facts.near}"
    )
    return RowSelection(taken, facts)


def _share_rows(select: Select, pool: Pool) -> list[int]:
    most = min(MOST_CLASSES, select.rows)
    if len(pool.names) > most:
        raise RecipeError(
            f"select.per: '{select.per}' has {format_count(len(pool.names), 'value')}, "
            f"expected at most {most:,} where {format_count(select.rows, 'row')} "
            f"{conjugate(select.rows, 'are')} taken: name a column of classes, or take more rows"
        )
    return share_equally(select.rows, pool.sizes)


def _take_rows(select: Select, pool: Pool, shares: Sequence[int], examples: pl.Series) -> Mask:
    """Return which rows are taken: those that the model of the recipe finds best."""
    static = load_static().embed
    directions = find_directions(select.method, static(examples), lambda: static(pool.sample))
    if select.model == "static":
        return take_best_rows(pool.classes, pool.read_static, directions, shares)
    many = [min(CANDIDATES * share, size) for share, size in zip(shares, pool.sizes, strict=True)]
    candidates = take_best_rows(pool.classes, pool.read_static, directions, many)
    directions = find_directions(
        select.method, embed_minilm(examples), lambda: embed_minilm(pool.sample[:MINILM_SAMPLE])
    )
    block = pool.read_minilm(candidates)  # once, however often it is searched
    classes = np.where(candidates, pool.classes, np.int32(-1))
    return take_best_rows(classes, lambda _: [block], directions, shares)


def _measure_likeness(texts: pl.Series, examples: pl.Series) -> float | None:
    """Return the mean cosine of static vectors to the nearest example."""
    embed = load_static().embed
    nearest, size = embed(examples).T, max(1, SCORES // len(examples))
    found = [
        (embed(texts[start : start + size]) @ nearest).max(axis=1)
        for start in range(0, len(texts), size)
    ]
    return round(float(np.concatenate(found).mean()), 6) if found else None
