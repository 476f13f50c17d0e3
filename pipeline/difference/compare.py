"""Two states of a set, compared: the one entry of this room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import polars as pl

from siftset.pipeline.difference.definitions import compare_definitions, list_recipe_changes
from siftset.pipeline.difference.distributions import measure_distributions
from siftset.pipeline.difference.explain_rows import explain_rows
from siftset.pipeline.difference.find_rows import (
    ID,
    drop_shared,
    find_changed_ids,
    read_rows,
    read_schema,
)
from siftset.pipeline.difference.state import SetState
from siftset.schemas.results.columns import OWN_COLUMNS
from siftset.schemas.results.difference import (
    NULL,
    Distribution,
    ReasonCount,
    RowChange,
    RowSide,
    SetDifference,
    Slice,
)
from siftset.schemas.results.plan import RowChanges

SAMPLES: Final = 1_000
"""Rows that are shown; all are counted."""
_TEXT: Final = 400
_REASON: Final = ("kind", "reason", "detail")
_REASONS: Final = 200
_SLICES: Final = ("source", "label", "split")


def compare_states(
    before: SetState,
    after: SetState,
    *,
    recipe: str = "",
    verdict: Literal["pass", "warn", "fail"] | None = None,
    samples: int = SAMPLES,
) -> SetDifference:
    """Compare two sides row by row, and say why rows differ and what that does to the whole."""
    changes = compare_definitions(before.manifest, after.manifest)
    rows = explain_rows(before, after, find_changed_ids(before, after), changes)
    spread = measure_distributions(before, after)
    old, new = (read_schema(side.files) for side in (before, after))
    own = set(OWN_COLUMNS)
    return SetDifference(
        recipe=recipe,
        before=before.side,
        after=after.side,
        changes=_count_changes(rows),
        verdict=verdict,
        recipe_changes=list_recipe_changes(before.manifest, after.manifest),
        reasons=tuple(_count_reasons(rows)),
        slices=tuple(_count_slices(rows, spread)),
        distributions=tuple(spread),
        columns_added=tuple(n for n in new if n not in old and n not in own and old),
        columns_removed=tuple(n for n in old if n not in new and n not in own and new),
        samples=tuple(_sample_rows(before, after, rows, samples)),
    )


def count_changes(before: SetState, after: SetState) -> RowChanges:
    """Count the rows that differ, without asking why."""
    kinds = find_changed_ids(before, after)["kind"].cast(pl.String).value_counts()
    counted = {str(kind): int(rows) for kind, rows in kinds.iter_rows()}
    return RowChanges(**counted)


def _count_changes(rows: pl.DataFrame) -> RowChanges:
    counted = rows.select(
        *((pl.col("kind") == kind).sum().alias(kind) for kind in ("added", "removed", "changed")),
        relabelled=pl.col("columns").list.contains("label").sum(),
        moved=pl.col("columns").list.contains("split").sum(),
    )
    return RowChanges(
        **{name: int(value or 0) for name, value in counted.row(0, named=True).items()}
    )


def _count_reasons(rows: pl.DataFrame) -> Iterator[ReasonCount]:
    counted = (
        rows.group_by(_REASON)
        .len()
        .sort("len", "kind", "reason", "detail", descending=[True, False, False, False])
    )
    for kind, reason, detail, count in counted.head(_REASONS).iter_rows():
        yield ReasonCount(kind=kind, reason=reason, detail=detail, rows=count)


def _count_slices(rows: pl.DataFrame, spread: Sequence[Distribution]) -> Iterator[Slice]:
    """Yield the rows of each source, label and split, and how many of them differ."""
    totals = {one.name: one for one in spread}
    for column in _SLICES:
        if column not in totals:
            continue
        given = (
            pl.col("file")
            if column == "source"
            else pl.coalesce(f"{column}_after", f"{column}_before")
        )
        moved = rows.group_by(value=given.fill_null(NULL), kind="kind").len()
        by_value: dict[str, dict[str, int]] = {}
        for value, kind, count in moved.iter_rows():
            by_value.setdefault(value, {})[kind] = count
        one = totals[column]
        for value, held, holds in zip(one.bins, one.before, one.after, strict=True):
            counted = by_value.get(value, {})
            yield Slice(column=column, value=value, before=held, after=holds, **counted)


def _sample_rows(
    before: SetState, after: SetState, rows: pl.DataFrame, most: int
) -> Iterator[RowChange]:
    """Yield rows of every reason; ids are hashes, so the first by id are a fair draw."""
    groups = rows.select(ID, *_REASON).sort(ID).partition_by(_REASON)
    share = most if rows.height <= most else max(3, most // max(1, len(groups)))
    # what is new in the input says least of a change, so that the other reasons stand first
    groups.sort(key=lambda group: (group["reason"][0] == "new input", -group.height))
    picked = pl.concat(
        [rows.select(ID).clear(), *(group.head(share).select(ID) for group in groups)]
    )
    chosen = picked.head(most).join(rows, on=ID, how="left", maintain_order="left")
    old, new, _ = drop_shared(before.files, after.files)
    there = chosen.filter(pl.col("kind") != "added"), chosen.filter(pl.col("kind") != "removed")
    texts = [_read_texts(files, ids) for files, ids in zip((old, new), there, strict=True)]
    for row in chosen.iter_rows(named=True):
        yield RowChange(
            row_id=next(side[row[ID]][0] for side in reversed(texts) if row[ID] in side),
            kind=row["kind"],
            reason=row["reason"],
            source=row["file"] or "",
            place=row["place"],
            clause=row["clause"],
            signal=row["signal"],
            states=(row["state_before"], row["state_after"]),
            scores=(_finite(row["score_before"]), _finite(row["score_after"])),
            columns=tuple(row["columns"] or ()) if row["kind"] == "changed" else (),
            before=_side(row, "before", texts[0]),
            after=_side(row, "after", texts[1]),
        )


def _finite(value: float | None) -> float | None:
    return (
        None if value is None or value != value or value in (float("inf"), -float("inf")) else value
    )


def _read_texts(files: Sequence[Path], rows: pl.DataFrame) -> Mapping[int, tuple[str, str | None]]:
    """Return row id and text of rows, by the number of their id."""
    if not files or not rows.height:
        return {}
    has_text = "text" in read_schema(files)
    text = pl.col("text").cast(pl.String).str.slice(0, _TEXT) if has_text else pl.lit(None)
    found = read_rows(files, rows, [pl.col("row_id"), text.alias("text")])
    return {number: (row_id, text) for number, row_id, text in found.iter_rows()}


def _side(
    row: Mapping[str, object], side: str, texts: Mapping[int, tuple[str, str | None]]
) -> RowSide | None:
    number = row[ID]
    if not isinstance(number, int) or number not in texts:
        return None
    label, split = row[f"label_{side}"], row[f"split_{side}"]
    return RowSide(
        text=texts[number][1],
        label=None if label is None else str(label),
        split=None if split is None else str(split),
    )
