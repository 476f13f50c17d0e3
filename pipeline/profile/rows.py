"""Rows that the page shows: samples with their reasons, groups of duplicates, wrong labels."""

from __future__ import annotations

from typing import Final

import polars as pl

from siftset.schemas.conversations import COLUMN, MESSAGES, shown_turns
from siftset.schemas.results.label_metrics import LabelPrecision
from siftset.schemas.results.metrics import Group, Sample
from siftset.signals.labels import label_column

SHOWN: Final = 12
CUT: Final = 400


def sample_rows(rows: pl.LazyFrame, why: pl.Expr, *, shown: int = SHOWN) -> tuple[Sample, ...]:
    """Return a few rows, drawn by row_id so that neighbours do not stand together.

    Of a conversation each turn is a line with its role.
    """
    schema = rows.collect_schema()
    names, nothing = schema.names(), pl.lit(None, pl.String)
    text = pl.col("text").cast(pl.String) if "text" in names else nothing
    if schema.get(COLUMN) == MESSAGES:
        text = pl.coalesce(shown_turns(), text)
    text = text.str.slice(0, CUT)
    label = label_column(rows).str.slice(0, 80) if "label" in names else nothing
    source = pl.col("source").struct
    drawn = rows.bottom_k(shown, by="row_id").select(
        "row_id",
        text=text,
        why=why.fill_null("").str.slice(0, CUT),
        label=label,
        where=pl.format("{}:{}", source.field("file"), source.field("record")).fill_null(""),
    )
    found = drawn.sort("row_id").collect(engine="streaming")
    return tuple(Sample(**row) for row in found.iter_rows(named=True))


def duplicate_groups(
    duplicates: pl.LazyFrame, kept: pl.LazyFrame, *, shown: int = SHOWN
) -> tuple[Group, ...]:
    """Return the kept rows that most others repeat, by kind, with their text.

    `duplicates` has the columns duplicate_of and kind, `kept` row_id and perhaps text.
    """
    grouped = (
        duplicates.group_by("duplicate_of", "kind")
        .agg(repeats=pl.len())
        .sort("repeats", "duplicate_of", "kind", descending=[True, False, False])
        .head(shown)
        .collect(engine="streaming")
    )
    texts: dict[str, str] = {}
    if "text" in kept.collect_schema().names():
        of = kept.filter(pl.col("row_id").is_in(grouped["duplicate_of"].implode()))
        found = of.select("row_id", pl.col("text").str.slice(0, CUT)).collect(engine="streaming")
        texts = {row_id: text or "" for row_id, text in found.iter_rows()}
    return tuple(
        Group(row_id=row_id, repeats=repeats, text=texts.get(row_id, ""), kind=str(kind))
        for row_id, kind, repeats in grouped.iter_rows()
    )


def count_relabelled(duplicates: pl.LazyFrame, kept: pl.LazyFrame) -> int | None:
    """Count the rows whose text repeats that of another row under another label.

    Rows without a label, and later records of an id, are none of them; rows of a text that was
    dropped for its labels are. None without labels.
    """
    if "label" not in kept.collect_schema() or "label" not in duplicates.collect_schema():
        return None
    again = duplicates.filter(pl.col("kind") != "id").select(
        "duplicate_of", label=label_column(duplicates)
    )
    first = kept.select(duplicate_of="row_id", other=label_column(kept))
    met = again.join(first, on="duplicate_of", how="inner")
    differ = met.select(rows=(pl.col("label") != pl.col("other")).sum())
    # a text that was dropped has no row to point at
    dropped = pl.col("duplicate_of").is_null() | (pl.col("duplicate_of") == pl.col("row_id"))
    alone = duplicates.select(rows=((pl.col("kind") == "label") & dropped).sum())
    return int(pl.concat([differ, alone]).sum().collect(engine="streaming").item())


def count_disputed(kept: pl.LazyFrame, key: pl.Expr) -> int | None:
    """Count kept rows whose label is not the commonest of their text; None without labels.

    For sets whose equal texts all stay: `key` is what those share.
    """
    if "label" not in kept.collect_schema():
        return None
    rows = kept.select(key.alias("key"), label=label_column(kept)).drop_nulls()
    labels = rows.group_by("key", "label").len().group_by("key").agg(pl.col("len"))
    found = labels.select((pl.col("len").list.sum() - pl.col("len").list.max()).sum())
    return int(found.collect(engine="streaming").item())


def measure_label_precision(
    labels: dict[str, int], wanted: tuple[str, ...]
) -> LabelPrecision | None:
    """Return how many labelled rows carry a wanted label; None where none is labelled."""
    labelled = sum(labels.values())
    if not labelled or not wanted:
        return None
    right = sum(labels.get(name, 0) for name in wanted)
    return LabelPrecision(wanted=wanted, right=right, labelled=labelled)


def sample_mislabelled(rows: pl.LazyFrame, wanted: tuple[str, ...]) -> tuple[Sample, ...]:
    """Return a few rows whose label is none of the wanted ones."""
    label = label_column(rows)
    wrong = rows.filter(label.is_not_null() & ~label.is_in(list(wanted)))
    return sample_rows(wrong, pl.format("label is {}", label))
