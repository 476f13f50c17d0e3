"""Rows worth a person's look, found by what the recipe's formula asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.pipeline.review.columns import Mask, Places
from siftset.pipeline.review.rows import (
    KEPT,
    QUARANTINED,
    REJECTED,
    SCORE,
    ReviewRows,
)
from siftset.schemas.conversations import with_views
from siftset.schemas.results.columns import STATES
from siftset.signals.evaluation.bodies import FALSE, TRUE, Codes
from siftset.signals.evaluation.leave_one_out import answer_all_nodes
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.tree import Node, Op, leaves, number, show

SAMPLE: Final = 100
"""Random rows of an outcome that are offered, from which the share of right ones is estimated."""
NEAREST: Final = 400
"""Rows at a threshold, or against a rule of thumb, that are offered."""
_NEAR: Final = 0.05
"""How far from a threshold a row may lie, in widths of the middle 80 % of the scores."""
_TOGETHER: Final = 0.4
"""The correlation (phi) from which two signals are said to go together."""
_COMPARED: Final = 64
"""Signals, in the order of the recipe, of which every pair is compared at most."""
_BLOCK: Final = 50_000

QueueName = Literal[
    "doubt", "threshold", "clause", "against", "aside", "disputed", "stale",
    "random_kept", "random_rejected",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows in the order in which they are offered."""

    name: QueueName
    title: str
    about: str
    rows: Places
    notes: Mapping[int, str] = field(default_factory=dict)
    """Why a row is in it, where that is more than the queue says."""


def quick_queues(rows: ReviewRows) -> list[Queue]:
    """Return the queues that are known as soon as the rows are."""
    found = [find_at_threshold(rows), find_set_aside(rows), find_against(rows)]
    for part, name, title, about in (
        (KEPT, "random_kept", "Random kept", "Says how right the set is"),
        (REJECTED, "random_rejected", "Random rejected", "Says what the set misses"),
    ):
        sample = draw_sample(rows.frame["row_id"], rows.facets["part"].mask([part]), rows.run_id)
        found.append(Queue(name, title, about, sample))  # type: ignore[arg-type]
    return [queue for queue in found if queue.rows.size]


def draw_sample(row_ids: pl.Series, among: Mask, run_id: str, count: int = SAMPLE) -> Places:
    """Draw rows at random: the same ones for a run, whoever asks, and others for the next run."""
    places = np.flatnonzero(among)
    salted = (
        row_ids.gather(places)
        .alias("id")
        .to_frame()
        .select(plh.concat_str(pl.lit(run_id), pl.col("id")).nchash.xxh3_64())
    )
    order = np.argsort(salted.to_series().to_numpy(), kind="stable")
    return places[order[:count]]


def find_at_threshold(rows: ReviewRows) -> Queue:
    """Return the rows whose score lies next to a number that the formula compares it with."""
    ranks = np.full(rows.count, rows.count)
    notes: dict[int, str] = {}
    for name, cuts in list_thresholds(rows).items():
        scores = rows.frame[SCORE + name].to_numpy().astype(np.float64)
        known = scores[np.isfinite(scores)]
        if not known.size:
            continue
        low, high = np.quantile(known, [0.1, 0.9])
        width = max(float(high - low), 1e-12)
        for cut in cuts:
            far = np.abs(scores - cut) / width
            near = np.flatnonzero(far < _NEAR)
            near = near[np.argsort(far[near], kind="stable")][:NEAREST]
            for rank, at in enumerate(near.tolist()):
                if rank < ranks[at]:  # the threshold that it lies nearest to, beside other rows
                    ranks[at] = rank
                    notes[at] = (
                        f"{name} is {scores[at]:.3g}, and the formula asks for {number(cut)}"
                    )
    places = np.flatnonzero(ranks < rows.count)
    order = places[np.argsort(ranks[places], kind="stable")][:NEAREST]
    about = "A score next to the number that decides"
    return Queue("threshold", "At the threshold", about, order, notes)


def list_thresholds(rows: ReviewRows) -> dict[str, list[float]]:
    """Return the numbers that each score is compared with: its bounds, and the formula's."""
    decider = rows.job.decider
    found: dict[str, list[float]] = {}
    for name in rows.scores:
        use = decider.questions.get(name)
        if use is None:
            continue
        bounds = use.signal.bounds
        cuts = [] if bounds is None else [bounds.minimum, bounds.maximum]
        cuts += [leaf.test.value for leaf in leaves(decider.root)
                 if leaf.signal == name and leaf.test is not None]  # fmt: skip
        found[name] = sorted({cut for cut in cuts if cut is not None})
    return found


def find_set_aside(rows: ReviewRows) -> Queue:
    """Return the quarantined rows, of which a signal's faults are some."""
    places = np.flatnonzero(rows.facets["part"].mask([QUARANTINED]))
    return Queue("aside", "Set aside", "Quarantined by a rule, or by a fault of a signal", places)


def find_against(rows: ReviewRows) -> Queue:
    """Return the rows on which two signals disagree that agree on most others.

    Two signals go together where the phi coefficient of their answers is at least 0.4, and against
    each other where it is at most -0.4; a label counts as a signal of its own. Of more than 64
    signals the first 64 are compared.
    """
    answers = _yes_and_known(rows)
    weight = np.zeros(rows.count)
    notes: dict[int, str] = {}
    names = list(answers)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            if one.startswith("label ") and other.startswith("label "):
                continue
            (yes, known), (also, sure) = answers[one], answers[other]
            both = known & sure
            phi = correlate(yes[both], also[both])
            if abs(phi) < _TOGETHER:
                continue
            odd = np.flatnonzero(both & ((yes != also) if phi > 0 else (yes & also)))
            weight[odd] += abs(phi)
            said = "mostly agree" if phi > 0 else "mostly exclude each other"
            for row in odd[:NEAREST].tolist():
                notes.setdefault(row, f"{one} and {other} {said}, but not here")
    places = np.flatnonzero(weight)
    order = places[np.argsort(-weight[places], kind="stable")][:NEAREST]
    about = "Signals that agree on most rows, and not on these"
    return Queue("against", "Contradictions", about, order, notes)


def correlate(one: Mask, other: Mask) -> float:
    """Return the phi coefficient of two answers; 0 where either is always the same."""
    if not one.size:
        return 0.0
    first, second, both = one.mean(), other.mean(), (one & other).mean()
    spread = first * (1 - first) * second * (1 - second)
    return float((both - first * second) / np.sqrt(spread)) if spread else 0.0


def _yes_and_known(rows: ReviewRows) -> dict[str, tuple[Mask, Mask]]:
    yes, no = STATES.index("true"), STATES.index("false")
    found = {}
    for name in list(rows.signals)[:_COMPARED]:
        states = rows.states(name)
        found[name] = (states == yes, (states == yes) | (states == no))
    labels = rows.facets.get("label")
    for value in () if labels is None or len(labels.values) > 5 else labels.values:
        given = labels.mask([None]) if labels is not None else np.zeros(0, bool)
        found[f"label {value}"] = (labels.mask([value]), ~given)  # type: ignore[union-attr]
    return found


def find_one_clause_away(rows: ReviewRows, advance: Callable[[int], None]) -> Queue:
    """Return the rows that one clause of the formula alone holds where they are.

    Under & a row that every clause but one would keep, under | a kept row that only one clause
    keeps. Every clause is asked of those rows, also where the run needed only one of them.
    """
    root = rows.job.decider.root
    about = "One clause of the formula alone decides"
    if not isinstance(root, Op) or root.symbol == "^":
        return Queue("clause", "One clause away", about, np.zeros(0, np.int64))
    part, deciding = (REJECTED, FALSE) if root.symbol == "&" else (KEPT, TRUE)
    places = np.flatnonzero(rows.facets["part"].mask([part]))
    found: list[NDArray[np.int64]] = []
    notes: dict[int, str] = {}
    for start in range(0, places.size, _BLOCK):
        block = places[start : start + _BLOCK]
        answers, _ = answer_clauses(rows, rows.frame[block], rows.job.decider.cache)
        alone = np.stack([answers[term] == deciding for term in root.terms])
        others = np.stack([answers[term] == 1 - deciding for term in root.terms])
        single = (alone.sum(axis=0) == 1) & (others.sum(axis=0) == len(root.terms) - 1)
        which = alone.argmax(axis=0)
        verb = "fails" if root.symbol == "&" else "is kept by"
        for at in np.flatnonzero(single).tolist():
            notes[int(block[at])] = f"only {verb} {show(root.terms[which[at]])}"
        found.append(block[single])
        advance(block.size)
    order = np.concatenate(found) if found else np.zeros(0, np.int64)
    return Queue("clause", "One clause away", about, order, notes)


def answer_clauses(
    rows: ReviewRows, frame: pl.DataFrame, cache: ScoreCache | None = None
) -> tuple[dict[Node, Codes], Workspace]:
    """Ask every node of the formula about rows, without skipping any.

    The workspace holds what each signal said, and its scores.
    """
    decider = rows.job.decider
    space = Workspace(with_views(frame, decider.columns), decider.questions, cache=cache)
    return answer_all_nodes(decider.root, space), space


def order_queues(queues: Iterable[Queue]) -> list[Queue]:
    """Return queues in the order in which a page shows them, the empty ones left out."""
    names = QueueName.__args__  # type: ignore[attr-defined]
    return sorted((q for q in queues if q.rows.size), key=lambda queue: names.index(queue.name))
