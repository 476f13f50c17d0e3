"""Signals as labelers: each votes for a class, and the class with most votes is the label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.schemas.conversations import with_views
from siftset.schemas.errors import FormulaError, RecipeError, name_some
from siftset.schemas.recipe.section import label_text
from siftset.signals.evaluation.bodies import TRUE, UNKNOWN
from siftset.signals.evaluation.decider import FormulaDecider
from siftset.signals.evaluation.kleene import answer_node
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.formula import Formula, parse
from siftset.signals.formula.tree import Node, Op, digest, join, leaves
from siftset.signals.kernels.arrays import to_series
from siftset.signals.labels import labels_as_text

if TYPE_CHECKING:
    from siftset.schemas.results.label_metrics import VoteMetrics

LABEL: Final = "label"
AGREEMENT: Final = "label_agreement"
VOTES: Final = "label_votes"
COLUMNS: Final = pl.Schema(
    {
        LABEL: pl.String(),
        AGREEMENT: pl.Float64(),
        VOTES: pl.List(pl.Struct({"voter": pl.String, "label": pl.String})),
    }
)
"""What votes add to a row: its label, the share of votes that are for it, and who voted."""

NO_LABEL: Final = -1


class Voter(NamedTuple):
    """A formula that votes for a class where it is true."""

    label: str
    text: str
    """As people wrote it, in one spelling."""
    root: Node


class Ballot(NamedTuple):
    """The votes on the rows of a frame."""

    cast: NDArray[np.bool_]
    """Rows x voters: who votes."""
    unknown: NDArray[np.bool_]
    """Rows x voters: who cannot say."""
    faults: NDArray[np.bool_]
    """Rows x voters: who cannot say because a signal raised."""


class Outcome(NamedTuple):
    """What votes came to."""

    label: NDArray[np.int64]
    """The number of the class of each row; NO_LABEL where there is none."""
    agreement: NDArray[np.float64]
    """The share of a row's votes that are for its label; NaN where there is none."""
    counts: NDArray[np.int64]
    """Rows x classes: votes."""


def read_voters(votes: Mapping[str, Sequence[str]], signals: Collection[str]) -> tuple[Voter, ...]:
    """Read the voters of a recipe, sorted: their order means nothing.

    Raises RecipeError for one that is no formula over `signals`, or that votes twice.
    """
    found: list[Voter] = []
    for label, texts in votes.items():
        for text in texts:
            try:
                formula = parse(text)
                formula.check(signals)
            except FormulaError as error:
                said = str(error).removeprefix("formula: ")
                raise RecipeError(f"label.votes.{label}: '{text}': {said}") from None
            found.append(Voter(label, formula.canonical, parse(formula.canonical).root))
    found.sort(key=lambda voter: (voter.label, voter.text))
    for one, two in pairwise(found):
        if one[:2] == two[:2]:
            raise RecipeError(f"label.votes.{one.label}: '{one.text}' votes twice: name it once")
    labels: dict[str, str] = {}
    for voter in found:
        other = labels.setdefault(voter.text, voter.label)
        if other != voter.label:
            raise RecipeError(
                f"label.votes: '{voter.text}' votes for {other} and for {voter.label}, so for "
                "neither: leave it in one"
            )
    return tuple(found)


def join_voters(voters: Sequence[Voter]) -> Formula:
    """Return one formula that names every signal of the voters."""
    return Formula(join("|", *(voter.root for voter in voters)))


class Voters:
    """Asks signals for their votes; may be shared by threads."""

    def __init__(
        self,
        voters: Sequence[Voter],
        signals: Mapping[str, SignalSpec],
        *,
        known: str | None = None,
        cache: ScoreCache | None = None,
    ) -> None:
        self.voters = tuple(voters)
        self.known = known
        self.classes = tuple(dict.fromkeys(voter.label for voter in self.voters))
        self.decider = FormulaDecider(
            join_voters(self.voters), signals, order="pinned", cache=cache
        )
        self._class_of = np.array([self.classes.index(v.label) for v in self.voters])

    @property
    def hash(self) -> str:
        """Hash of who votes for what, and of the fingerprints of the signals."""
        prints = sorted(
            f"{name}={question.signal.fingerprint}"
            for name, question in self.decider.questions.items()
        )
        said = [f"{voter.label}={voter.text}" for voter in self.voters]
        return digest(str(self.known), *said, *prints)

    def check(self, schema: pl.Schema) -> None:
        """Raise RecipeError where the columns do not leave room for what votes add.

        Raises SignalError where a signal does not fit them.
        """
        taken = [name for name in schema if name.lower() in COLUMNS]
        if taken:
            raise RecipeError(
                f"label.votes: the source has a column '{taken[0]}' already: leave  label:  out of "
                f"the source, or rename it with  prepare.columns: {{known_label: {taken[0]}}}; "
                "label.known names a column of known labels"
            )
        if self.known is not None and self.known not in schema:
            raise RecipeError(
                f"label.known: the source has no column '{self.known}', expected one of: "
                + name_some(schema)
            )
        self.decider.check(schema)

    def ask(self, frame: pl.DataFrame) -> Ballot:
        """Ask every voter about every row."""
        seen = with_views(frame, self.decider.columns)
        space = Workspace(seen, self.decider.questions, cache=self.decider.cache)
        space.fuse_signals(self.decider.plan.fused)
        # no rows are left out for what others voted: every vote counts
        codes = [answer_node(voter.root, None, space, _in_written_order) for voter in self.voters]
        said = np.stack(codes, axis=1)
        faults = np.zeros(said.shape, bool)
        for at, voter in enumerate(self.voters):
            for name in {leaf.signal for leaf in leaves(voter.root)} & space.raised.keys():
                faults[list(space.raised[name]), at] = True
        unknown = said == UNKNOWN
        return Ballot(said == TRUE, unknown, faults & unknown)

    def count(self, cast: NDArray[np.bool_]) -> Outcome:
        """Count votes, rows x voters: the class with most is the label."""
        counts = np.zeros((len(cast), len(self.classes)), np.int64)
        for at in range(len(self.classes)):
            counts[:, at] = cast[:, self._class_of == at].sum(axis=1)
        most = counts.max(axis=1)
        sole = (counts == most[:, None]).sum(axis=1) == 1
        label = np.where(sole & (most > 0), counts.argmax(axis=1), NO_LABEL)
        with np.errstate(invalid="ignore"):
            share = most / counts.sum(axis=1)
        return Outcome(label, np.where(label == NO_LABEL, np.nan, share), counts)

    def add_labels(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, VoteMetrics]:
        """Return rows with their labels, and what the votes came to."""
        ballot = self.ask(frame)
        outcome = self.count(ballot.cast)
        names = pl.Series(LABEL, self.classes, dtype=pl.String)
        label = names.gather(to_series(LABEL, np.maximum(outcome.label, 0)))
        label = label.set(to_series("none", outcome.label == NO_LABEL), None)
        agreement = to_series(AGREEMENT, outcome.agreement).fill_nan(None)
        rows = self.drop_labels(frame).with_columns(label, agreement, self._list(ballot.cast))
        return rows, self._measure(frame, self.known, ballot, outcome)

    def measure_known(self, frame: pl.DataFrame, known: str) -> VoteMetrics:
        """Return what votes on rows come to whose labels lie in the column `known`."""
        asked = self.drop_labels(frame)
        self.decider.check(asked.schema)
        ballot = self.ask(asked)
        return self._measure(frame, known, ballot, self.count(ballot.cast))

    def drop_labels(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows without what votes add."""
        return frame.drop(COLUMNS.names(), strict=False)

    def leave_open(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows that nobody is asked about: their labels are null."""
        empty = [pl.lit(None, dtype).alias(name) for name, dtype in COLUMNS.items()]
        return self.drop_labels(frame).with_columns(empty)

    def _list(self, cast: NDArray[np.bool_]) -> pl.Series:
        """Return who voted for what, a list a row, sorted by class and voter."""
        import pyarrow as pa

        _, who = np.nonzero(cast)
        ends = np.concatenate([[0], np.cumsum(cast.sum(axis=1))])
        names = pa.array([voter.text for voter in self.voters], pa.large_string())
        labels = pa.array([voter.label for voter in self.voters], pa.large_string())
        at = pa.array(who)
        votes = pa.StructArray.from_arrays([names.take(at), labels.take(at)], ["voter", "label"])
        listed = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), votes)
        series = pl.from_arrow(listed)
        assert isinstance(series, pl.Series)
        return series.alias(VOTES)

    def _measure(
        self, frame: pl.DataFrame, known: str | None, ballot: Ballot, outcome: Outcome
    ) -> VoteMetrics:
        from siftset.schemas.results.label_metrics import VotedClass, VoteMetrics, VoterMetrics

        cast, label, counts = ballot.cast, outcome.label, outcome.counts
        truth = np.full(len(cast), NO_LABEL)
        has_truth = np.zeros(len(cast), bool)
        if known is not None:
            told = frame.select(labels_as_text(pl.col(known))).to_series()
            codes = {label_text(name): at for at, name in enumerate(self.classes)}
            truth = told.replace_strict(codes, default=NO_LABEL, return_dtype=pl.Int64).to_numpy()
            has_truth = told.is_not_null().to_numpy()
        total = cast.sum(axis=1)
        several = (counts > 0).sum(axis=1) > 1
        most = counts.max(axis=1, initial=0)
        return VoteMetrics(
            rows=len(cast),
            silent=int((total == 0).sum()),
            tied=int(((label == NO_LABEL) & (most > 0)).sum()),
            disputed=int(several.sum()),
            overlap=int((total > 1).sum()),
            known=int(has_truth.sum()),
            classes=tuple(
                VotedClass(
                    label=name,
                    rows=int((label == at).sum()),
                    known=int(((label == at) & has_truth).sum()),
                    right=int(((label == at) & (truth == at)).sum()),
                    truth=int((truth == at).sum()),
                )
                for at, name in enumerate(self.classes)
            ),
            voters=tuple(
                VoterMetrics(
                    label=voter.label,
                    voter=voter.text,
                    votes=int(mine.sum()),
                    alone=int((mine & (total == 1)).sum()),
                    conflicts=int((mine & several).sum()),
                    unknown=int(ballot.unknown[:, at].sum()),
                    faults=int(ballot.faults[:, at].sum()),
                    known=int((mine & has_truth).sum()),
                    right=int((mine & (truth == self._class_of[at])).sum()),
                )
                for at, (voter, mine) in enumerate(zip(self.voters, cast.T, strict=True))
            ),
        )


def add_metrics(one: VoteMetrics, two: VoteMetrics) -> VoteMetrics:
    """Add what the same voters came to on some rows and on others."""
    from siftset.schemas.results.label_metrics import VoteMetrics

    return VoteMetrics.model_validate(_add_counts(one.model_dump(), two.model_dump()))


def _add_counts(one: object, two: object) -> object:
    if isinstance(one, dict) and isinstance(two, dict):
        return {name: _add_counts(value, two[name]) for name, value in one.items()}
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return [_add_counts(*pair) for pair in zip(one, two, strict=True)]
    return one + two if isinstance(one, int) and isinstance(two, int) else one


def _in_written_order(node: Op) -> tuple[int, ...]:
    return tuple(range(len(node.terms)))
