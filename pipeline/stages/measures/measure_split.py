"""How the splits of a version came out: shares against those asked for, and groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.profile.outside import open_outside
from siftset.pipeline.run.split import group_text
from siftset.pipeline.sources.conversations import read_conversations
from siftset.schemas.conversations import COLUMN, MESSAGES, view
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.messages import Messages
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import LargestGroup, Leak, SplitFacts

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.run_outcome import RunOutcome

_GROUP: Final = "_group"


def measure_split(run: CurateRun, outcome: RunOutcome) -> SplitFacts | None:
    """Return how many rows of the version each split and its largest group hold, and leaks of
    groups; None where the text decides and no group.
    """
    split = run.job.recipe.split
    if not split.groups or not outcome.files:
        return None
    rows = pl.scan_parquet([file.path for file in outcome.files])
    group = group_text(split, rows.collect_schema())
    assert group is not None, "the recipe names one"
    sizes = (
        rows.select(pl.col("split").cast(pl.String), group.alias(_GROUP))
        .group_by("split", _GROUP)
        .agg(pl.len().cast(pl.Int64).alias("rows"))
        .collect(engine="streaming")
    )
    grouped = sizes.drop_nulls(_GROUP)
    largest = grouped.sort("rows", _GROUP, descending=[True, False]).unique(
        "split", keep="first", maintain_order=True
    )
    shares = {name: float(getattr(split, name)) for name in SPLITS}
    asked = {} if split.column is not None else shares
    held = dict(sizes.group_by("split").agg(pl.col("rows").sum()).iter_rows())
    return SplitFacts(
        group=split.groups,
        groups=grouped[_GROUP].n_unique(),
        ungrouped=int(sizes.filter(pl.col(_GROUP).is_null())["rows"].sum()),
        rows=int(sizes["rows"].sum()),
        asked={name: share for name, share in asked.items() if share or name in held},
        held={name: held.get(name, 0) for name in SPLITS if name in held or asked.get(name)},
        largest={
            row["split"]: LargestGroup(value=_shown(row[_GROUP]), rows=row["rows"])
            for row in largest.iter_rows(named=True)
        },
        leaks=tuple(_group_leaks(grouped)),
    )


def open_held_out(path: Path) -> pl.LazyFrame:
    """Open the held-out file of a recipe: texts, conversations in a column `messages`, or both."""
    rows = open_outside(path, "integrity.held_out", talks=True)
    schema = rows.collect_schema()
    if COLUMN not in schema:
        return rows
    if schema[COLUMN] != MESSAGES:
        frame = rows.collect()
        messages, _ = read_conversations(frame, Messages(column=COLUMN), str(path))
        rows = frame.with_columns(messages.alias(COLUMN)).lazy()
    return rows if "text" in schema else rows.with_columns(view("all").alias("text"))


def _group_leaks(sizes: pl.DataFrame) -> Iterator[Leak]:
    """Yield for each pair of splits the rows of the second whose group the first has too."""
    filled = [name for name in SPLITS if (sizes["split"] == name).any()]
    for at, right in enumerate(filled):
        there = sizes.filter(pl.col("split") == right)
        for left in filled[at + 1 :]:
            here = sizes.filter(pl.col("split") == left)
            both = here.join(there, on=_GROUP, how="semi")
            yield Leak(
                kind="group",
                left=left,
                right=right,
                rows=int(both["rows"].sum()),
                of=int(here["rows"].sum()),
                note=format_count(both.height, "group"),
            )


def _shown(group: str) -> str:
    return ", ".join(part or "null" for part in group.replace("\0", "").split("\x1f"))
