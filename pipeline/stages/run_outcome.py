"""Where every row of a run is, once its duplicates are resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from siftset.pipeline.storage.part_files import Part, count_rows
from siftset.pipeline.storage.table import DataFile
from siftset.schemas.errors import BalanceError
from siftset.schemas.plurals import format_count
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.summary import Balance

if TYPE_CHECKING:
    import polars as pl

    from siftset.pipeline.run.frozen_split import FrozenSplit
    from siftset.pipeline.stages.choose_rows import RowChoice
    from siftset.pipeline.stages.process_shard import Outcome, ShardResult
    from siftset.schemas.results.label_metrics import LabelCut
    from siftset.schemas.results.metrics import Selection


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Where every row of the run is, and the files that make up the set."""

    balance: Balance
    unknown: int
    faulted: int
    files: tuple[DataFile, ...]
    parts: dict[Outcome, tuple[Part, ...]]
    duplicates: tuple[Part, ...]
    kinds: dict[str, int]
    """Duplicates by kind."""
    added: tuple[DataFile, ...] | None = None
    """The files with the rows that this run read; None where that is all of them."""
    frozen: FrozenSplit | None = None
    """The edges of a stratified split."""
    reviewed: pl.DataFrame | None = None
    """REVIEWED of the rows behind the whole set that people decided about; None without a review.
    Read here already: a refresh moves the files before it publishes."""
    selection: Selection | None = None
    """Which of the rows were taken; None where all are."""
    cut: LabelCut | None = None
    """Which labels that signals voted for stay; None where all do."""

    def check(self, *, recorded: bool = True) -> None:
        """Raise BalanceError unless the rows add up, and the files hold as many as they say.

        `recorded` is false where the recipe keeps no record of rejected rows.
        """
        self.balance.check()
        counted = {
            "quarantined": (self.balance.quarantined, self.parts["quarantine"]),
            "unreadable": (self.balance.unreadable, self.parts["unreadable"]),
        }
        if recorded:
            counted["rejected"] = (self.balance.rejected, self.parts["rejected"])
        for name, (rows, parts) in counted.items():
            if rows != count_rows(parts):
                raise BalanceError(
                    f"{format_count(rows, 'row')} {name}, but {count_rows(parts):,} put aside"
                )

    @property
    def fresh(self) -> tuple[DataFile, ...]:
        """The files with the kept rows that this run read."""
        return self.files if self.added is None else self.added

    @property
    def set_rows(self) -> int:
        """How many rows the set would have."""
        return sum(file.rows for file in self.files)

    @property
    def splits(self) -> dict[str, int]:
        """Kept rows by split, in the order train, validation, test."""
        counted = Counter[str]()
        for file in self.files:
            counted[file.split] += file.rows
        return {split: counted[split] for split in SPLITS if split in counted}


def draw_balance(
    results: Sequence[ShardResult],
    repeats: pl.DataFrame,
    *,
    kept: int,
    files: tuple[DataFile, ...],
    duplicates: tuple[Part, ...],
    unselected: tuple[Part, ...] = (),
    left: int = 0,
    choice: RowChoice | None = None,
    added: tuple[DataFile, ...] | None = None,
) -> RunOutcome:
    """Return where every row of a run is, from what its shards counted and its files hold.

    `repeats` are the rows that repeat another one, with their kind; `left` rows were left out by a
    `choice`, and lie in `unselected`. `RunOutcome.check` holds the counts of the shards against
    those of the files.
    """
    balance = sum((result.balance for result in results), Balance())
    names: tuple[Outcome, ...] = ("rejected", "quarantine", "unreadable")
    parts = {name: tuple(p for r in results for p in r.parts.get(name, ())) for name in names}
    parts["rejected"] += unselected
    rejected = balance.rejected + left
    return RunOutcome(
        balance=replace(balance, kept=kept, duplicate=count_rows(duplicates), rejected=rejected),
        unknown=sum(result.unknown for result in results),
        faulted=sum(result.faulted for result in results),
        files=files,
        parts=parts,
        duplicates=duplicates,
        kinds={str(kind): int(rows) for kind, rows in repeats["kind"].value_counts().iter_rows()},
        added=added,
        selection=None if choice is None else choice.selection,
        cut=None if choice is None else choice.cut,
    )
