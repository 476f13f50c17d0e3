"""After all shards: duplicates are told from kept rows, and the set's files are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import polars as pl

from siftset.pipeline.run.frozen_split import OWN
from siftset.pipeline.stages.choose_rows import choose_rows, reject_left
from siftset.pipeline.stages.dedupe import (
    exact_duplicates,
    merge_findings,
    near_duplicates,
    no_repeats,
    point_at_kept,
    point_duplicates,
    relabelled_texts,
    repeated_ids,
    side_repeats,
    split_duplicates,
    stamp_frame,
)
from siftset.pipeline.stages.freeze_split import freeze_split
from siftset.pipeline.stages.hand_decisions import find_covered, read_reviewed
from siftset.pipeline.stages.measures.prefixes import prefix_repeats
from siftset.pipeline.stages.process_shard import Outcome, ShardResult
from siftset.pipeline.stages.run_outcome import RunOutcome, draw_balance
from siftset.pipeline.storage.part_files import Mask, Part, PartWriter, Reasons, count_rows, rows_at
from siftset.pipeline.storage.table import DataFile
from siftset.schemas.results.columns import SPLITS

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.run.job import Job


class NearFinder(Protocol):
    """Finds the rows that nearly repeat another one."""

    def __call__(
        self, parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
    ) -> pl.DataFrame:
        """Return place, keeper and kind; the rows at the places `without` take no part."""


class WrittenRows(NamedTuple):
    """The files of the set, of duplicates, and of rows that are left out."""

    files: tuple[DataFile, ...]
    duplicates: tuple[Part, ...]
    left: tuple[Part, ...] = ()


class DuplicateResolver(Protocol):
    """Finds rows whose id or whose text another row has, and parts them from the others."""

    def find_ids(
        self, parts: Sequence[Part], ids: Sequence[Part], *, latest_wins: bool
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the kept rows whose id another row has too."""

    def find_texts(self, parts: Sequence[Part], without: pl.Series | None) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that repeat the text of an earlier one."""

    def find_near(
        self, parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that nearly repeat an earlier kept one."""

    def write_rows(
        self,
        run: CurateRun,
        candidates: Sequence[Part],
        repeated: pl.DataFrame,
        reasons: Reasons | None = None,
    ) -> WrittenRows:
        """Write kept rows, duplicates and rows left out, each to files of their own."""


class LocalResolver:
    """Does so in the memory of this machine, in as many passes as it takes."""

    def find_ids(
        self, parts: Sequence[Part], ids: Sequence[Part], *, latest_wins: bool
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the kept rows whose id another row has too."""
        return repeated_ids(parts, ids, latest_wins=latest_wins)

    def find_texts(self, parts: Sequence[Part], without: pl.Series | None) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that repeat the text of an earlier one."""
        return exact_duplicates(parts, without=without)

    def find_near(
        self, parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that nearly repeat an earlier kept one."""
        return near_duplicates(parts, threshold, without=without, seed=seed)

    def write_rows(
        self,
        run: CurateRun,
        candidates: Sequence[Part],
        repeated: pl.DataFrame,
        reasons: Reasons | None = None,
    ) -> WrittenRows:
        """Write kept rows, duplicates and rows left out, each to files of their own."""
        nothing = count_rows(candidates) == repeated.height
        folder = run.folder / "set"
        writers = {s: PartWriter(folder, s, even_empty=nothing and s == SPLITS[0]) for s in SPLITS}
        duplicates = PartWriter(run.folder / "duplicates", "part", even_empty=True)
        apart = PartWriter(run.folder / "rejected", "unselected")
        settled = split_duplicates(candidates, repeated, reasons=reasons)
        for kept, repeats, pointers, left in settled:
            rows = stamp_rows(kept, run)
            for split, writer in writers.items():
                writer.add(rows.filter(pl.col("split") == split))
            duplicates.add(point_duplicates(stamp_rows(repeats, run), pointers))
            if reasons is not None:
                apart.add(reject_left(left, run.job.clauses(), run.job.recipe.record))
        files = (
            DataFile(part.path, split, part.rows)
            for split, writer in writers.items()
            for part in writer.close()
        )
        return WrittenRows(tuple(files), duplicates.close(), apart.close())


def resolve_duplicates(
    run: CurateRun,
    results: Sequence[ShardResult],
    open_resolver: Callable[[CurateRun, int], AbstractContextManager[DuplicateResolver]],
) -> RunOutcome:
    """Write the kept rows by split and their duplicates apart, and draw the balance.

    `open_resolver` gives who finds the duplicates among so many rows.
    """
    candidates = _collect_parts(results, "candidates")
    with run.progress.stage("find duplicates", count_rows(candidates)) as stage:
        with open_resolver(run, count_rows(candidates)) as resolver:
            ids = _collect_parts(results, "ids")
            reviewed = _collect_parts(results, "reviewed")
            repeated = find_repeats(run.job, candidates, ids, resolver=resolver, reviewed=reviewed)
            kept = np.ones(count_rows(candidates), dtype=np.bool_)
            kept[repeated["place"].to_numpy()] = False
            choice = choose_rows(run, candidates, kept)
            reasons = None if choice is None else choice.reasons
            taken = kept if reasons is None else kept & (reasons == 0)
            strata = _read_strata(run, candidates, taken)
            run = replace(run, frozen=freeze_split(run, strata))
            written = resolver.write_rows(run, candidates, repeated, reasons)
        stage.advance(count_rows(candidates), f"{repeated.height:,} found")
    outcome = draw_balance(
        results,
        repeated,
        kept=sum(file.rows for file in written.files),
        files=written.files,
        duplicates=written.duplicates,
        unselected=written.left,
        left=int((kept & ~taken).sum()),
        choice=choice,
    )
    told = None if run.job.review is None else read_reviewed(reviewed)
    return replace(outcome, frozen=run.frozen, reviewed=told)


def _read_strata(run: CurateRun, candidates: Sequence[Part], kept: Mask) -> Iterator[pl.DataFrame]:
    """Yield what a stratified split needs of the kept rows."""
    if run.job.recipe.split.stratify is not None:
        yield from rows_at(candidates, kept, list(OWN))


def _collect_parts(results: Iterable[ShardResult], outcome: Outcome) -> tuple[Part, ...]:
    return tuple(part for result in results for part in result.parts.get(outcome, ()))


def find_repeats(
    job: Job,
    candidates: Sequence[Part],
    ids: Sequence[Part],
    *,
    near: NearFinder | None = None,
    resolver: DuplicateResolver | None = None,
    published: Sequence[bool] | None = None,
    reviewed: Sequence[Part] = (),
) -> pl.DataFrame:
    """Return place, keeper and kind of the candidates that repeat another row, in order.

    `near` takes the place of the settler's way to find near duplicates; `published` marks those
    that the set holds, which stay where an equal text is on another side of the split; `reviewed`
    tells which rows people dropped, whose exact duplicates go with them.
    """
    recipe = job.recipe
    upsert = recipe.refresh.merge == "upsert"
    finder = resolver or LocalResolver()
    found = find_covered(candidates, reviewed) if recipe.dedupe.exact else no_repeats()
    if job.has_ids:
        found = merge_findings(found, finder.find_ids(candidates, ids, latest_wins=upsert))
    rule = recipe.dedupe.relabelled
    if rule in ("first", "drop") and "label" in job.columns:
        disputed = relabelled_texts(candidates, drop=rule == "drop", without=found["place"])
        found = merge_findings(found, disputed)
    if recipe.dedupe.exact:
        # a row that a later record of its id replaced, or whose text is dropped, keeps none away
        without = found["place"] if upsert or rule == "drop" or reviewed else None
        found = merge_findings(found, finder.find_texts(candidates, without))
    if recipe.dedupe.prefixes:
        found = merge_findings(found, prefix_repeats(candidates, found["place"]))
    if recipe.dedupe.near is not None:
        limit, without, find = recipe.dedupe.near, found["place"], near or finder.find_near
        found = merge_findings(found, find(candidates, limit, without=without, seed=recipe.seed))
    if recipe.removes_leaks:
        found = merge_findings(found, side_repeats(candidates, found["place"], published))
    return point_at_kept(found).sort("place")


def stamp_rows(frame: pl.DataFrame, run: CurateRun) -> pl.DataFrame:
    """Return candidates as rows of the set that this run adds."""
    return stamp_frame(frame, run.run_id, run.job.decider.hash, run.frozen)
