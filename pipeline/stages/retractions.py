"""What later records took out of the set, kept beside a run for when their inputs are gone.

Under upsert the last record of an id decides, and one that is not kept takes out the earlier ones.
The set itself shows no trace of that, and a refresh that has lost its ledger, or never had one as
after `curate`, would bring the earlier record back once the file of the later one is archived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.storage.part_files import Part
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import RUNS

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.storage.table import Store

RETRACTIONS: Final = "retractions.parquet"


def keep_retractions(run: CurateRun, inputs: Iterable[tuple[str, Sequence[Part]]]) -> None:
    """Write which ids the records behind a version take out, with the files of those records.

    `inputs` gives the source of each input, in order, and the ids of its records.
    """
    if not run.job.has_ids or run.job.recipe.refresh.merge != "upsert":
        return
    from siftset.pipeline.stages.dedupe import find_retractions

    by_source: dict[str, list[Part]] = {}
    for source, ids in inputs:  # an id of one source is never that of another
        by_source.setdefault(source, []).extend(ids)
    found = [find_retractions(ids).with_columns(source=pl.lit(source))
             for source, ids in by_source.items()]  # fmt: skip
    pl.concat(found).write_parquet(run.folder / RETRACTIONS)


def read_retractions(store: Store) -> pl.DataFrame | None:
    """Return what the latest run wrote; None where it did not, as before this was kept."""
    for commit in store.history():
        folder = store.output / RUNS / commit.run_id
        if folder.is_dir():  # a version that was rolled back to has none
            fetch_below(store.output, f"{RUNS}/{commit.run_id}/{RETRACTIONS}")
            path = folder / RETRACTIONS
            return pl.read_parquet(path) if path.is_file() else None
    return None
