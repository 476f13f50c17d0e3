"""What each signal contributes to a formula, from a frame on which every signal is evaluated.

Counts add up over frames; shares are derived from them, so every share has its denominator.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.schemas.conversations import with_views
from siftset.schemas.errors import SignalError
from siftset.schemas.plurals import format_count
from siftset.signals.evaluation.bodies import FALSE, TRUE, UNKNOWN, Codes
from siftset.signals.evaluation.decider import FormulaDecider
from siftset.signals.evaluation.leave_one_out import answer_all_nodes, answer_without_each
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.formula import Formula
from siftset.signals.formula.tree import AskSignal, Node, Op, show

WRONG_ROWS = 20
"""Wrong rows that are kept for each signal."""
PAIRED = 64
"""Signals, the first that a formula names, whose pairs are compared: 2,016 pairs."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How yes and no agree with labels; rows without a label or an answer are left out."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    @property
    def precision(self) -> float | None:
        """Share of rows labelled yes among those answered yes."""
        return _share_of(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float | None:
        """Share of rows answered yes among those labelled yes."""
        return _share_of(self.true_positive, self.true_positive + self.false_negative)

    def __add__(self, other: Quality) -> Quality:
        return Quality(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Give counts and shares as plain JSON."""
        counts: dict[str, JsonValue] = {name: getattr(self, name) for name in self.__slots__}
        return {**counts, "precision": self.precision, "recall": self.recall}


@dataclass(frozen=True, slots=True)
class SignalAnalysis:
    """What one signal says, and what the formula would keep without it."""

    true: int = 0
    false: int = 0
    unknown: int = 0
    removes: int = 0
    """Rows that only it removes: kept by the formula without it, and not with it."""
    admits: int = 0
    """Rows that only it admits: kept by the formula with it, and not without it."""
    kept_without: int = 0
    """Rows that the formula without it keeps."""
    quality: Quality | None = None
    wrong: tuple[int, ...] = ()
    """Positions of rows that it answers otherwise than their label, the first few."""

    @property
    def redundant(self) -> bool:
        """Whether the formula keeps the same rows without it."""
        return self.removes == 0 and self.admits == 0

    def __add__(self, other: SignalAnalysis) -> SignalAnalysis:
        qualities = [found for found in (self.quality, other.quality) if found is not None]
        return SignalAnalysis(
            self.true + other.true,
            self.false + other.false,
            self.unknown + other.unknown,
            self.removes + other.removes,
            self.admits + other.admits,
            self.kept_without + other.kept_without,
            reduce(operator.add, qualities) if qualities else None,
            (self.wrong + other.wrong)[:WRONG_ROWS],
        )


@dataclass(frozen=True, slots=True)
class Analysis:
    """What each signal contributes to a formula."""

    formula: str
    rows: int
    kept: int
    unknown: int
    signals: Mapping[str, SignalAnalysis] = field(default_factory=dict)
    agreement: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """For each pair of the first `PAIRED` signals, rows on which they agree and rows on which both
    are known."""
    quality: Quality | None = None
    """How the kept rows agree with the labels; a row that is not kept counts as no."""
    nodes: Mapping[str, int] = field(default_factory=dict)
    """For each node of the formula, by its text, rows for which it is true."""
    steps: tuple[int, ...] = ()
    """Rows for which the first clause, the first two, ... are true, as written."""
    clauses: Mapping[str, int] = field(default_factory=dict)
    """Rows that are not kept, by the first clause, as written, that says so."""

    def __add__(self, other: Analysis) -> Analysis:
        qualities = [found for found in (self.quality, other.quality) if found is not None]
        return Analysis(
            self.formula,
            self.rows + other.rows,
            self.kept + other.kept,
            self.unknown + other.unknown,
            {name: found + other.signals[name] for name, found in self.signals.items()},
            {
                pair: (same + other.agreement[pair][0], known + other.agreement[pair][1])
                for pair, (same, known) in self.agreement.items()
            },
            reduce(operator.add, qualities) if qualities else None,
            {text: true + other.nodes[text] for text, true in self.nodes.items()},
            tuple(map(operator.add, self.steps, other.steps)),
            {text: rows + other.clauses[text] for text, rows in self.clauses.items()},
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should look at: signals that change nothing or never answer."""
        found: list[str] = []
        for name, signal in self.signals.items():
            if self.rows and signal.unknown == self.rows:
                found.append(f"signal '{name}' is unknown on all {format_count(self.rows, 'row')}")
            elif self.rows and signal.redundant:
                found.append(
                    f"signal '{name}' removes nothing: without it the formula keeps the same "
                    f"{self.kept:,} of {format_count(self.rows, 'row')}"
                )
        return tuple(found)

    def to_json(self) -> dict[str, JsonValue]:
        """Give counts, shares with their denominators, the matrix and the warnings."""
        return {
            "formula": self.formula,
            "rows": self.rows,
            "kept": self.kept,
            "unknown": self.unknown,
            "kept_share": _share_of(self.kept, self.rows),
            "signals": {name: self._signal_json(found) for name, found in self.signals.items()},
            "agreement": [
                {
                    "signals": list(pair),
                    "same": same,
                    "known": known,
                    "share": _share_of(same, known),
                }
                for pair, (same, known) in self.agreement.items()
            ],
            "quality": None if self.quality is None else self.quality.to_json(),
            "warnings": list(self.warnings),
        }

    def _signal_json(self, found: SignalAnalysis) -> dict[str, JsonValue]:
        counts = {name: getattr(found, name) for name in found.__slots__
                  if name not in ("quality", "wrong")}  # fmt: skip
        return {
            **counts,
            "rows": self.rows,
            "true_share": _share_of(found.true, self.rows),
            "unknown_share": _share_of(found.unknown, self.rows),
            "redundant": found.redundant,
            "quality": None if found.quality is None else found.quality.to_json(),
            "wrong": list(found.wrong),
        }


def analyse(
    formula: Formula,
    signals: Mapping[str, SignalSpec],
    frame: pl.DataFrame,
    *,
    labels: pl.Series | None = None,
    cache: ScoreCache | None = None,
) -> Analysis:
    """Evaluate every signal on every row of a frame and count what each contributes.

    `labels` is a Boolean series: whether a row should be kept, null where that is not known.
    Answers that `cache` holds are not asked for again.
    """
    decider = FormulaDecider(formula, signals)
    decider.check(frame.schema)
    truth = None if labels is None else _read_labels(labels, frame.height)
    space = Workspace(with_views(frame, decider.columns), decider.questions, cache=cache)
    said = {name: space.answer_leaf(AskSignal(name), None) for name in decider.questions}
    answers = answer_all_nodes(decider.root, space)
    codes = answers[decider.root]
    kept = codes == TRUE
    rest = answer_without_each(decider.root, answers)
    steps, clauses = _count_clauses(decider.root, answers)
    return Analysis(
        formula=formula.text,
        rows=frame.height,
        kept=int(kept.sum()),
        unknown=int((codes == UNKNOWN).sum()),
        signals={
            name: _count_contribution(one, kept, rest[name], truth) for name, one in said.items()
        },
        agreement=_count_agreement(said),
        quality=None if truth is None else _compare_with_labels(np.where(kept, TRUE, FALSE), truth),
        nodes={show(node): int((one == TRUE).sum()) for node, one in answers.items()},
        steps=steps,
        clauses=clauses,
    )


def _read_labels(labels: pl.Series, rows: int) -> Codes:
    if labels.dtype != pl.Boolean or len(labels) != rows:
        raise SignalError(
            f"labels: expected {rows:,} Booleans, found {len(labels):,} of {labels.dtype}"
        )
    return labels.cast(pl.UInt8).fill_null(UNKNOWN).to_numpy()


def _count_clauses(
    root: Node, answers: Mapping[Node, Codes]
) -> tuple[tuple[int, ...], dict[str, int]]:
    """Count the rows left after each clause, and those that are not kept by the first clause that
    says of them what all say.
    """
    codes = answers[root]
    terms = root.terms if isinstance(root, Op) and root.symbol == "&" else (root,)
    left, open_rows = np.ones(codes.size, bool), codes != TRUE
    steps: list[int] = []
    found = dict.fromkeys(map(show, terms), 0)
    for term in terms:
        left &= answers[term] == TRUE
        steps.append(int(left.sum()))
        said = open_rows & (answers[term] == codes)
        found[show(term)] += int(said.sum())
        open_rows &= ~said
    return tuple(steps), found


def _count_agreement(said: Mapping[str, Codes]) -> dict[tuple[str, str], tuple[int, int]]:
    """Count where two signals say the same, for each pair of the first `PAIRED` signals."""
    agreement: dict[tuple[str, str], tuple[int, int]] = {}
    for left, right in itertools.combinations(itertools.islice(said, PAIRED), 2):
        known = (said[left] != UNKNOWN) & (said[right] != UNKNOWN)
        same = known & (said[left] == said[right])
        agreement[left, right] = (int(same.sum()), int(known.sum()))
    return agreement


def _count_contribution(
    said: Codes, kept: NDArray[np.bool_], rest: Codes | None, truth: Codes | None
) -> SignalAnalysis:
    """Count what a signal says and decides; `rest` is what the formula says without it."""
    others = np.ones(kept.size, bool) if rest is None else rest == TRUE
    wrong = np.zeros(0, np.int64)
    if truth is not None:
        wrong = np.flatnonzero((said != UNKNOWN) & (truth != UNKNOWN) & (said != truth))
    return SignalAnalysis(
        true=int((said == TRUE).sum()),
        false=int((said == FALSE).sum()),
        unknown=int((said == UNKNOWN).sum()),
        removes=int((others & ~kept).sum()),
        admits=int((kept & ~others).sum()),
        kept_without=int(others.sum()),
        quality=None if truth is None else _compare_with_labels(said, truth),
        wrong=tuple(wrong[:WRONG_ROWS].tolist()),
    )


def _compare_with_labels(said: Codes, truth: Codes) -> Quality:
    counts = np.bincount(said.astype(np.int64) * 3 + truth, minlength=9)
    return Quality(int(counts[4]), int(counts[3]), int(counts[1]), int(counts[0]))


def _share_of(part: int, whole: int) -> float | None:
    return part / whole if whole else None
