"""After all shards: duplicates are told from kept rows, and the set's files are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from pipeline.dedupe import (
    TEXT_KEY,
    exact_duplicates,
    merged,
    near_duplicates,
    none,
    repeated_ids,
    settle,
)
from pipeline.parts import Part, PartWriter, count_rows
from pipeline.shard import Outcome, ShardResult
from pipeline.store import DataFile
from schemas.errors import BalanceError
from schemas.results import Balance
from schemas.rows import SPLITS

if TYPE_CHECKING:
    from pipeline.context import Run


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where every row of the run is, and the files that make up the set."""

    balance: Balance
    unknown: int
    faulted: int
    files: tuple[DataFile, ...]
    parts: dict[Outcome, tuple[Part, ...]]
    duplicates: tuple[Part, ...]
    kinds: dict[str, int]
    """Duplicates by kind."""

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
                raise BalanceError(f"{rows:,} rows {name}, but {count_rows(parts):,} put aside")

    @property
    def splits(self) -> dict[str, int]:
        """Kept rows by split."""
        counted = Counter[str]()
        for file in self.files:
            counted[file.split] += file.rows
        return dict(counted)


def settle_rows(run: Run, results: Sequence[ShardResult]) -> Settlement:
    """Write the kept rows by split and their duplicates apart, and draw the balance."""
    candidates = _parts(results, "candidates")
    with run.progress.stage("find duplicates", count_rows(candidates)) as stage:
        repeated = _find(run, results, candidates)
        writers, duplicates = _write(run, candidates, repeated)
        stage.advance(count_rows(candidates), f"{repeated.height:,} found")
    files = tuple(
        DataFile(part.path, split, part.rows)
        for split, writer in writers.items()
        for part in writer.close()
    )
    balance = sum((result.balance for result in results), Balance())
    kinds = repeated["kind"].value_counts().iter_rows()
    return Settlement(
        balance=replace(
            balance, kept=sum(file.rows for file in files), duplicate=count_rows(duplicates)
        ),
        unknown=sum(result.unknown for result in results),
        faulted=sum(result.faulted for result in results),
        files=files,
        parts={o: _parts(results, o) for o in ("rejected", "quarantine", "unreadable")},
        duplicates=duplicates,
        kinds={str(kind): int(rows) for kind, rows in kinds},
    )


def _parts(results: Iterable[ShardResult], outcome: Outcome) -> tuple[Part, ...]:
    return tuple(part for result in results for part in result.parts.get(outcome, ()))


def _find(run: Run, results: Sequence[ShardResult], candidates: Sequence[Part]) -> pl.DataFrame:
    recipe = run.job.recipe
    upsert = recipe.refresh.merge == "upsert"
    ids = none()
    if run.job.has_ids:
        ids = repeated_ids(candidates, _parts(results, "ids"), latest_wins=upsert)
    found = ids
    if recipe.dedupe.exact:
        found = merged(ids, exact_duplicates(candidates, without=ids["place"] if upsert else None))
    if recipe.dedupe.near is not None:
        near = near_duplicates(
            candidates, recipe.dedupe.near, without=found["place"], seed=recipe.seed
        )
        found = merged(found, near)
    return found.sort("place")


def _write(
    run: Run, candidates: Sequence[Part], repeated: pl.DataFrame
) -> tuple[dict[str, PartWriter], tuple[Part, ...]]:
    nothing = count_rows(candidates) == repeated.height
    folder = run.folder / "set"
    writers = {s: PartWriter(folder, s, even_empty=nothing and s == SPLITS[0]) for s in SPLITS}
    duplicates = PartWriter(run.folder / "duplicates", "part", even_empty=True)
    for kept, repeats in settle(candidates, repeated):
        stamped = _stamped(kept, run)
        for split, writer in writers.items():
            writer.add(stamped.filter(pl.col("split") == split))
        pointers = repeats.select("duplicate_of", "kind")
        duplicates.add(_stamped(repeats.drop("duplicate_of", "kind"), run).hstack(pointers))
    return writers, duplicates.close()


def _stamped(frame: pl.DataFrame, run: Run) -> pl.DataFrame:
    return frame.drop(TEXT_KEY).with_columns(
        run_id=pl.lit(run.run_id), formula=pl.lit(run.job.decider.hash)
    )
