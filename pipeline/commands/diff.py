"""Which rows enter and leave the set against its current version, and why.

Both sides are known by what their runs recorded: the version's rows and the places where its runs
put the others, against the rows and places of a run that is about to be published or a preview.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.pipeline.storage.run_folder import run_folders
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.results.summary import Turnover

PASS_ROWS: Final = 4_000_000
"""Rows of a side that are compared at once, 32 MB."""
_NEW: Final = "no earlier run has a record of it"
_GONE: Final = "this run has no record of it"
LISTED: Final = 100_000
"""Rows that are told of on each side; all are counted."""


def count_turnover(store: Store, files: Sequence[Path]) -> Turnover | None:
    """Count the row ids of `files` that the current version lacks, and the other way round."""
    version = store.version()
    if version is None:
        return None
    try:
        before = store.local_files(version)
    except OutputError:  # another tool removed them: there is nothing to compare with
        return None
    rows = max(_count_rows(before), _count_rows(files))
    passes = rows // PASS_ROWS + 1
    entered = left = 0
    for number in range(passes):
        old, new = (_read_ids(side, number, passes) for side in (before, files))
        both = np.intersect1d(old, new, assume_unique=True).size
        entered, left = entered + new.size - both, left + old.size - both
    return Turnover(version, entered, left)


def count_changed_rows(store: Store, files: Sequence[Path]) -> int | None:
    """Count the rows that only `files` or only the current version hold, or answer otherwise.

    What one of both did not ask counts as equal. None where the version cannot be read.
    """
    version = store.version()
    if version is None:
        return None
    try:
        before = pl.scan_parquet(store.local_files(version))
        after = pl.scan_parquet(list(files))
        schemas = [side.select("^(signals|scores)$").collect_schema() for side in (before, after)]
    except (OutputError, OSError, pl.exceptions.PolarsError):
        return None
    if schemas[0] != schemas[1]:
        return _count_rows(files)
    asked = pl.col("row_id", *schemas[0].names())
    both = before.select(asked).join(
        after.select(asked), on="row_id", how="full", suffix="_new", coalesce=False
    )
    differs = [pl.col("row_id").is_null(), pl.col("row_id_new").is_null()]
    for column, kind in schemas[0].items():
        assert isinstance(kind, pl.Struct)
        for name in (one.name for one in kind.fields):
            old, new = (pl.col(side).struct.field(name) for side in (column, f"{column}_new"))
            known = old.cast(pl.String) != "skipped", new.cast(pl.String) != "skipped"
            differs.append(pl.all_horizontal(old != new, *known).fill_null(False))
    return int(both.select(pl.any_horizontal(differs).sum()).collect(engine="streaming").item())


def _count_rows(files: Sequence[Path]) -> int:
    return int(pl.scan_parquet(list(files)).select(pl.len()).collect().item()) if files else 0


def _read_ids(files: Sequence[Path], number: int, passes: int) -> NDArray[np.uint64]:
    """Read the first 64 bits of the row ids that fall into one pass."""
    if not files:
        return np.zeros(0, np.uint64)
    ids = pl.col("row_id").str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64)
    chosen = pl.scan_parquet(list(files)).select(ids).filter(pl.col("row_id") % passes == number)
    return chosen.collect(engine="streaming")["row_id"].to_numpy()


@dataclass(frozen=True, slots=True)
class SetState:
    """One of two states of a set: the kept rows, and where the others are."""

    kept: pl.LazyFrame
    folders: tuple[Path, ...]
    """The folders of the runs that put rows aside, latest first."""

    def only(self, other: SetState) -> pl.Series:
        """Give the ids of the rows that are kept here and not there, sorted."""
        ids, others = self.kept.select("row_id"), other.kept.select("row_id")
        missing = ids.join(others, on="row_id", how="anti")
        return missing.collect(engine="streaming")["row_id"].sort()

    def rows(self, ids: pl.Series) -> dict[str, _Row]:
        """Tell of kept rows what the signals said."""
        chosen = self.kept.filter(pl.col("row_id").is_in(ids.implode()))
        return _by_id(_plain_columns(chosen.with_columns(place=pl.lit("kept"), reason=None)))

    def aside(self, ids: pl.Series) -> dict[str, _Row]:
        """Tell of rows that are not kept where they are and why; some may be nowhere."""
        found: dict[str, _Row] = {}
        for folder in self.folders:
            for place, reason in _REASONS.items():
                files = sorted((folder / place).glob("*.parquet"))
                if not files or not len(ids):
                    continue
                chosen = pl.scan_parquet(files).filter(pl.col("row_id").is_in(ids.implode()))
                rows = _plain_columns(chosen.with_columns(place=pl.lit(place), reason=reason))
                found |= _by_id(rows)
                ids = ids.filter(~ids.is_in(rows["row_id"].implode()))
        return found


_REASONS: Final[dict[str, pl.Expr]] = {
    "rejected": pl.col("clause"),
    "duplicates": pl.col("duplicate_of"),
    "quarantine": pl.col("_reasons").list.join(", "),
    "unreadable": pl.col("reason"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """What one side says of a row."""

    place: str
    reason: str | None
    text: str | None
    signals: dict[str, str]
    scores: dict[str, float | None]


def _plain_columns(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.select(pl.col("^(row_id|place|reason|text|signals|scores)$")).collect()


def _by_id(rows: pl.DataFrame) -> dict[str, _Row]:
    return {
        row["row_id"]: _Row(
            row["place"], row["reason"], row.get("text"), row.get("signals") or {},
            row.get("scores") or {},
        )
        for row in rows.iter_rows(named=True)
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """A row that enters or leaves, and why."""

    row_id: str
    text: str | None
    enters: bool
    place: str | None
    """Where it is on the side that does not keep it; None where it is not there."""
    reason: str | None
    """The clause that rejects it, the row that it repeats, or why it was put aside."""
    signals: dict[str, tuple[str, str]]
    """Signals that say something else, before and after."""
    scores: dict[str, tuple[float | None, float | None]]
    """Scores of those signals, before and after."""

    @property
    def why(self) -> str:
        """The cause in words; rows that move for the same cause share it."""
        tense = "was" if self.enters else "is now"
        if self.place == "rejected":
            said = [f"{name}: {old} -> {new}" for name, (old, new) in self.signals.items()]
            changed = ", ".join(said) or "no signal says otherwise, the formula is another"
            return f"{tense} rejected by  {self.reason} ; {changed}"
        if self.place == "duplicates":
            return f"{tense} a duplicate"
        if self.place is not None:
            past = {"quarantine": "quarantined", "unreadable": "unreadable"}[self.place]
            return f"{tense} {past}: {self.reason}"
        return f"is new ({_NEW})" if self.enters else f"is gone ({_GONE})"

    def line(self, width: int = 60) -> str:
        """Show it on one line, with the scores that moved it."""
        text = " ".join(str(self.text).split())
        shown = text if len(text) <= width else text[: width - 3] + "..."
        scores = []
        for name, pair in self.scores.items():
            old, new = ("-" if value is None else f"{value:.4g}" for value in pair)
            scores.append(f"{name} {new}" if old == new else f"{name} {old} -> {new}")
        more = f"  ({', '.join(scores)})" if scores else ""
        return f"{'+' if self.enters else '-'} {self.row_id}  {shown}  {self.why}{more}"

    def to_json(self) -> dict[str, JsonValue]:
        """Give the fields and the cause as plain JSON."""
        return {
            "row_id": self.row_id,
            "text": self.text,
            "place": self.place,
            "reason": self.reason,
            "why": self.why,
            "signals": {name: list(states) for name, states in self.signals.items()},
            "scores": {name: list(values) for name, values in self.scores.items()},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows that enter and leave; of many, the first by id are told of."""

    turnover: Turnover
    enter: tuple[Move, ...]
    leave: tuple[Move, ...]

    def lines(self, rows: int = 20) -> Iterator[str]:
        """Show how many rows move for each cause, then the first of them."""
        found = self.turnover
        yield f"against version {found.against}: {found.entered:,} enter, {found.left:,} leave"
        for word, moves in (("enter", self.enter), ("leave", self.leave)):
            for why, count in Counter(move.why for move in moves).most_common(rows):
                yield f"  {count:>9,} {word}: {why}"
        for moves in (self.enter, self.leave):
            yield from (move.line() for move in moves[:rows])

    def to_json(self) -> dict[str, JsonValue]:
        """Give the counts and the rows as plain JSON."""
        return {
            "version": self.turnover.against,
            "entered": self.turnover.entered,
            "left": self.turnover.left,
            "enter": [move.to_json() for move in self.enter],
            "leave": [move.to_json() for move in self.leave],
        }


def compare_states(version: int, before: SetState, after: SetState) -> Difference:
    """Compare two sides row by row."""
    came, went = after.only(before), before.only(after)
    enter = _list_moves(came.head(LISTED), before, after, enters=True)
    leave = _list_moves(went.head(LISTED), before, after, enters=False)
    return Difference(Turnover(version, len(came), len(went)), tuple(enter), tuple(leave))


def _list_moves(
    ids: pl.Series, before: SetState, after: SetState, *, enters: bool
) -> Iterator[Move]:
    old = before.aside(ids) if enters else before.rows(ids)
    new = after.rows(ids) if enters else after.aside(ids)
    kept, aside = (new, old) if enters else (old, new)
    for row_id in ids:
        changed = _changed_signals(old.get(row_id), new.get(row_id))
        where = aside.get(row_id)
        yield Move(
            row_id=row_id,
            text=kept[row_id].text,
            enters=enters,
            place=where.place if where else None,
            reason=where.reason if where else None,
            signals=changed,
            scores={
                name: (old[row_id].scores[name], new[row_id].scores[name])
                for name in changed
                if name in old[row_id].scores and name in new[row_id].scores
            },
        )


def _changed_signals(old: _Row | None, new: _Row | None) -> dict[str, tuple[str, str]]:
    """Compare what signals said; where none asked twice differs, those that one side skipped."""
    if old is None or new is None:
        return {}
    both = {
        name: (said, new.signals[name]) for name, said in old.signals.items() if name in new.signals
    }
    differ = {name: pair for name, pair in both.items() if pair[0] != pair[1]}
    asked = {name: pair for name, pair in differ.items() if "skipped" not in pair}
    return asked or differ


def version_state(store: Store, version: int) -> SetState:
    """The state of the set at a version, with what all runs up to it put aside."""
    last = next(commit.run_id for commit in store.history() if commit.version == version)
    folders = tuple(run.path for run in run_folders(store.output) if run.run_id <= last)
    return SetState(store.scan(version), folders)
