"""The protocol: what is measured, in which order, and what follows from it.

Disjoint blocks decide; halves of the set, a bootstrap over draws and groups of questions, and a
second strength must agree. What matters most comes first, so that a proof that runs out of time
has measured that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from siftset.pipeline.proof.blocks import (
    DRAWS,
    FEW_BLOCKS,
    Opponent,
    Pair,
    choose_sizes,
    count_blocks,
    count_side,
    cut_blocks,
    cut_matched_blocks,
    draw_halves,
    draw_rows,
)
from siftset.pipeline.proof.budget import Budget, BudgetSpentError
from siftset.pipeline.proof.learners import Learner
from siftset.pipeline.proof.questions import AskedSet, ProofRows
from siftset.pipeline.proof.results import ScoreFolder
from siftset.pipeline.proof.statistics import (
    Array,
    Gain,
    Integers,
    Saving,
    estimate_blocks,
    estimate_draws,
    find_saving,
)
from siftset.pipeline.proof.verdict import Evidence
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.results.comparison import Estimate, Interval
from siftset.schemas.results.proof import CurvePoint, ProofLine


@dataclass(slots=True)
class Measured:
    """What was measured so far."""

    lines: list[ProofLine] = field(default_factory=list)
    blocks: list[Gain] = field(default_factory=list)
    """Against random rows on what decides, the headline's strength first."""
    halves: list[Gain] = field(default_factory=list)
    matched: Gain | None = None
    curve: list[CurvePoint] = field(default_factory=list)
    saving: Saving | None = None
    everything: CurvePoint | None = None
    block_rows: int = 0
    block_count: int = 0
    trained: int = 0
    spent: bool = False
    """Whether the minutes were used up before the end."""

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        complete = len(self.blocks) == len(self.halves) == 2
        return Evidence(self.blocks, self.halves, self.matched, complete)


class Protocol:
    """One proof: its rows, what learns them, and where scores are kept."""

    def __init__(
        self,
        rows: ProofRows,
        learner: Learner,
        scores: ScoreFolder | None = None,
        *,
        loss: bool = False,
        most_blocks: int = 10,
        budget: Budget | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.rows, self.learner, self.scores = rows, learner, scores
        self.loss = loss
        self.blocks = (
            FEW_BLOCKS
            if most_blocks == FEW_BLOCKS
            else count_blocks(count_side(rows.chosen, rows.pool), most=most_blocks)
        )
        self.budget, self.progress = budget or Budget(None), progress or Silent()
        self.found = Measured()
        self._advance: Callable[[int], None] = lambda _: None

    def measure_all(self) -> Measured:
        """Measure everything, or what the minutes are enough for."""
        rows, seed = self.rows, self.rows.seed
        lengths = rows.frame["text"].str.len_chars().to_numpy().astype(np.int64)
        matched = cut_matched_blocks(rows.chosen, rows.pool, lengths, self.blocks, seed)
        own, more = choose_sizes(len(rows.chosen), len(rows.pool))
        total = 4 * (2 * self.blocks + DRAWS)  # both sides at two strengths
        total += sum(_count_draws(size, rows.pool) for size in more)
        total += sum(_count_draws(size, rows.chosen) for size in own if size in more)
        with self.progress.stage(f"train {self.learner.title}", total) as stage:
            self._advance = stage.advance
            try:
                self.measure_evidence()
                # too few rows have a match of their length where it is the length that decides
                if len(matched[0].curated) * 2 >= self.found.block_rows:
                    for strength in (0, 1):
                        gain = self._compare(matched, strength, "length-matched")
                        self.found.matched = self.found.matched or gain
                self._draw_curve(own, more)
            except BudgetSpentError:
                self.found.spent = True
        return self.found

    def measure_evidence(self) -> Evidence:
        """Measure what the verdict rests on: blocks and halves, at both strengths."""
        rows, seed = self.rows, self.rows.seed
        blocks = cut_blocks(rows.chosen, rows.pool, self.blocks, seed)
        self.found.block_rows, self.found.block_count = len(blocks[0].curated), len(blocks)
        for strength in (0, 1):
            self.found.blocks.append(self._compare(blocks, strength, "random"))
        halves = draw_halves(rows.chosen, rows.pool, seed)
        for strength in (0, 1):
            self.found.halves.append(self._compare(halves, strength, "random", halves=True))
        return self.found.evidence

    def _compare(
        self, pairs: Sequence[Pair], strength: int, opponent: Opponent, *, halves: bool = False
    ) -> Gain:
        """Train both sides of all pairs; note a line for each set of questions."""
        mine = np.stack([self._score(pair.curated, strength) for pair in pairs])
        theirs = np.stack([self._score(pair.other, strength) for pair in pairs])
        gains = []
        for asked in self.rows.question_sets:
            gain = self._estimate(mine, theirs, asked, halves=halves)
            gains.append(gain)
            at = asked.places
            self.found.lines.append(
                ProofLine(
                    questions=asked.name,
                    opponent=opponent,
                    rows=len(pairs[0].curated),
                    strength=self.learner.strengths[strength],
                    method="halves" if halves else "blocks",
                    pairs=len(pairs),
                    curated=float(mine[:, at].mean()),
                    other=float(theirs[:, at].mean()),
                    difference=to_estimate(gain),
                )
            )
        return gains[0]

    def _estimate(self, mine: Array, theirs: Array, asked: AskedSet, *, halves: bool) -> Gain:
        differences = (mine - theirs)[:, asked.places]
        if self.loss:  # as a share of the loss that the other rows lead to
            differences = differences / max(1e-9, float(-theirs[:, asked.places].mean()))
        if halves:
            return estimate_draws(differences, asked.groups, self.rows.seed)
        return estimate_blocks(differences, asked.groups)

    def _draw_curve(self, own: Sequence[int], more: Sequence[int]) -> None:
        """Measure mean scores by size, and how many random rows half of the set is worth."""
        rows, seed = self.rows, self.rows.seed
        asked = rows.question_sets[0].places
        curated: dict[int, Array] = {}
        random: dict[int, Array] = {}
        half = len(rows.chosen) // 2
        try:
            for size in more:
                turns = range(_count_draws(size, rows.pool))
                drawn = [draw_rows(rows.pool, size, seed, DRAWS + at) for at in turns]
                random[size] = self._average(drawn, asked)
                if size in own:
                    turns = range(_count_draws(size, rows.chosen))
                    drawn = [draw_rows(rows.chosen, size, seed, at) for at in turns]
                    curated[size] = self._average(drawn, asked)
        finally:
            self.found.curve = [
                CurvePoint(
                    rows=size,
                    curated=float(curated[size].mean()) if size in curated else None,
                    random=float(random[size].mean()) if size in random else None,
                )
                for size in sorted({*curated, *random})
            ]
        last = more[-1]
        self.found.everything = CurvePoint(rows=last, random=float(random[last].mean()))
        if half in curated and len(random) > 1:
            sizes = np.array(sorted(random), dtype=np.float64)
            scores = np.stack([np.resize(random[int(size)], DRAWS) for size in sizes])
            self.found.saving = find_saving(half, curated[half], sizes, scores, seed)

    def _average(self, drawn: Sequence[Integers], asked: Integers) -> Array:
        return np.array([self._score(rows, 0)[asked].mean() for rows in drawn])

    def _score(self, rows: Integers, strength: int) -> Array:
        """Return the scores of a model trained on rows, measured now or before."""
        name = self.learner.strengths[strength]
        kept = None if self.scores is None else self.scores.read(rows, name)
        if kept is None:
            made: list[Array] = []
            self.budget.time_training(
                len(rows), lambda: made.append(self.learner.score_questions(rows, strength))
            )
            (kept,) = made
            if self.scores is not None:
                kept = self.scores.write(rows, name, kept)
            self.found.trained += 1
        self._advance(1)
        return kept


def to_estimate(gain: Gain) -> Estimate:
    """Return a difference as results hold it."""
    interval = Interval(low=gain.low, high=gain.high)
    return Estimate(value=gain.value, interval=interval)


def _count_draws(size: int, among: Integers) -> int:
    """Return how often so many rows are drawn: all of them once."""
    return 1 if size == len(among) else DRAWS
