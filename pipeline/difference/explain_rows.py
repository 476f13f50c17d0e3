"""Why each row differs: the signal that decided otherwise, and the class of the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.difference.definitions import DefinitionChanges
from siftset.pipeline.difference.find_rows import (
    ID,
    content_columns,
    drop_shared,
    find_records,
    id_expr,
    read_rows,
    read_schema,
    state_columns,
    text_hash,
)
from siftset.pipeline.difference.state import SetState
from siftset.schemas.results.columns import CUT, SELECT

_DECIDED: Final = {"verdict": pl.String, "relabelled": pl.Boolean, "edited": pl.Boolean}
_SHOWN: Final = 64
"""Signals that are looked at; a formula of more names the clause alone."""


def list_signals(before: SetState, after: SetState, changes: DefinitionChanges) -> list[str]:
    """Return the signals of both sides, those whose definition changed first."""
    names: dict[str, None] = dict.fromkeys(changes.signals)
    for side in (before, after):
        held = read_schema(side.files).get("signals")
        names |= dict.fromkeys(f.name for f in held.fields) if isinstance(held, pl.Struct) else {}
    return list(names)[:_SHOWN]


def explain_rows(
    before: SetState, after: SetState, ids: pl.DataFrame, changes: DefinitionChanges
) -> pl.DataFrame:
    """Return a line for every row that differs.

    Columns: kind, reason, detail, file, label and split of both sides, place, clause,
    signal, its states and scores, and the columns that differ.
    """
    signals = list_signals(before, after, changes)
    sides = {
        "before": (before, after, ids.filter(pl.col("kind") != "added"), "removed"),
        "after": (after, before, ids.filter(pl.col("kind") != "removed"), "added"),
    }
    rows = ids.join(_find_decided(before, after), on=ID, how="left")
    compared = content_columns(before, after) or ["split"]
    own = drop_shared(before.files, after.files)
    for (name, (side, other, wanted, alone)), files in zip(sides.items(), own, strict=False):
        held = _read_side(side, files, wanted, signals, with_text=changes.has_ids)
        rows = rows.join(_mark(held, name), on=ID, how="left")
        changed = wanted.filter(pl.col("kind") == "changed")
        if changed.height:
            hashes = [pl.col(c).hash(0).alias(f"#{c}") for c in compared]
            rows = rows.join(_mark(read_rows(files, changed, hashes), name), on=ID, how="left")
        gone = wanted.filter(pl.col("kind") == alone)
        opposite = "after" if name == "before" else "before"
        found = find_records(other, gone, signals, with_text=changes.has_ids)
        rows = rows.join(_mark(found, f"{opposite} record"), on=ID, how="left")
    compared = compared if f"before #{compared[0]}" in rows.columns else []
    return _name_reasons(rows, signals, compared, changes)


def _find_decided(before: SetState, after: SetState) -> pl.DataFrame:
    """Return the rows about which people decide something else on one side than on the other."""
    held = []
    for side in (before, after):
        rows = pl.DataFrame(schema={"row_id": pl.String, **_DECIDED})
        if side.reviewed is not None:
            rows = pl.read_parquet(side.reviewed).filter(pl.col("state") == "applied")
        held.append(rows.select("row_id", *_DECIDED))
    both = held[0].join(held[1], on="row_id", how="full", suffix=" after", coalesce=True)
    # a new label in place of another one is a change that these words do not show
    differs = [pl.col(name).ne_missing(pl.col(f"{name} after")) for name in _DECIDED]
    again = [pl.col(f"{name} after") for name in ("relabelled", "edited")]
    found = both.filter(pl.any_horizontal(*differs, *again))
    return found.select(id_expr(), by_hand=pl.lit(value=True)).unique(ID)


def _read_side(
    side: SetState,
    files: Sequence[Path],
    wanted: pl.DataFrame,
    signals: Sequence[str],
    *,
    with_text: bool,
) -> pl.DataFrame:
    if not side.files:
        return pl.DataFrame(schema={ID: pl.UInt64})
    schema = read_schema(side.files)
    columns = [
        pl.col("split").cast(pl.String),
        pl.col("source").struct.field("file").alias("file"),
        (
            pl.col("label").cast(pl.String)
            if is_plain(schema.get("label"))
            else pl.lit(None, pl.String)
        ).alias("label"),
        *(text_hash(schema) if with_text else ()),
        *state_columns(schema, signals),
    ]
    if not files or not wanted.height:
        empty = pl.DataFrame(schema=schema).lazy().select(pl.lit(0, pl.UInt64).alias(ID), *columns)
        return empty.collect().clear()
    return read_rows(files, wanted, columns)


def is_plain(dtype: pl.DataType | None) -> bool:
    """Say whether values can be told apart by their text."""
    return dtype is not None and not dtype.is_nested() and dtype != pl.Binary


def _mark(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.rename({column: f"{name} {column}" for column in frame.columns if column != ID})


def _either(columns: Sequence[str], *names: str) -> pl.Expr:
    """Return the first of some columns that has a value; those that are not there are null."""
    there = [pl.col(name) for name in names if name in columns]
    return pl.coalesce(there) if there else pl.lit(None)


def _name_reasons(
    rows: pl.DataFrame, signals: Sequence[str], compared: Sequence[str], changes: DefinitionChanges
) -> pl.DataFrame:
    have = rows.columns
    # what a side says of a row: as a row of its set, else as one that it put aside
    answers = {
        f"{side} {word} {name}": _either(
            have, f"{side} {word} {name}", f"{side} record {word} {name}"
        ).cast(kind)
        for word, kind in (("state", pl.String), ("score", pl.Float64))
        for side in ("before", "after")
        for name in signals
    }
    differ = [
        pl.when(pl.col(f"before #{name}") != pl.col(f"after #{name}")).then(pl.lit(name))
        for name in compared
    ]
    columns = pl.concat_list(differ).list.drop_nulls() if differ else pl.lit(None)
    text = [_either(have, f"{s} text_hash", f"{s} record text_hash") for s in ("before", "after")]
    rows = rows.with_columns(
        **answers,
        columns=columns.cast(pl.List(pl.String)),
        other_text=(text[0] != text[1]).fill_null(value=False),
        place=_either(have, "before record place", "after record place").cast(pl.String),
        clause=_either(have, "before record clause", "after record clause").cast(pl.String),
        file=_either(have, "after file", "before file").cast(pl.String),
    )
    chosen = changes.selects & _is_choice().fill_null(value=False)
    rows = rows.with_columns(signal=pl.when(~chosen).then(_deciding_signal(signals)))
    rows = rows.with_columns(reason=_reason(changes))
    detail = (
        pl.when(pl.col("kind") == "changed")
        .then(pl.col("columns").list.join(", "))
        .when(pl.col("signal").is_in(list(changes.signals)) & (pl.col("place") == "rejected"))
        .then(pl.col("signal"))
        .when(pl.col("place").is_in(["rejected", "quarantine", "unreadable"]))
        .then(pl.col("clause"))
        .fill_null("")
    )
    picked = {
        f"{word}_{side}": _of_signal(signals, f"{side} {word}")
        for word in ("state", "score")
        for side in ("before", "after")
    }
    given = {
        f"{name}_{side}": _either(have, f"{side} {name}").cast(pl.String)
        for name in ("label", "split")
        for side in ("before", "after")
    }
    return rows.select(
        ID, "kind", "reason", "file", "place", "clause", "signal", "columns",
        detail=detail, **given, **picked,
    )  # fmt: skip


def _deciding_signal(signals: Sequence[str]) -> pl.Expr:
    """Return the first signal that says something else; one that both sides asked goes first.

    A side that keeps a row may have asked what the other had no need of, and the other way round:
    only what the rejecting side asked can have decided. Where no answer differs, the clause did.
    """
    asked, others = [], []
    rejects = pl.when(pl.col("kind") == "added")
    for name in signals:
        old, new = pl.col(f"before state {name}"), pl.col(f"after state {name}")
        said = pl.when(old != new).then(pl.lit(name))
        skipped = (old == "skipped") | (new == "skipped")
        asked.append(pl.when(~skipped).then(said))
        others.append(pl.when(rejects.then(old).otherwise(new) != "skipped").then(said))
    named = pl.when(pl.col("clause").is_in(list(signals))).then(pl.col("clause"))
    return pl.coalesce([*asked, *others, named])


def _of_signal(signals: Sequence[str], prefix: str) -> pl.Expr:
    chosen = [
        pl.when(pl.col("signal") == name).then(pl.col(f"{prefix} {name}")) for name in signals
    ]
    return pl.coalesce(chosen) if chosen else pl.lit(None)


def _is_choice() -> pl.Expr:
    return pl.col("clause").is_in([CUT, SELECT])


def _reason(changes: DefinitionChanges) -> pl.Expr:
    """Return the class of the reason, from where the row was and what changed since."""
    added = pl.col("kind") == "added"
    place, signal = pl.col("place"), pl.col("signal")
    by_signal = [
        pl.when(signal == name).then(pl.lit(reason)) for name, reason in changes.signals.items()
    ]
    otherwise = changes.formula or changes.main or "correction"
    rejected = (
        pl.when(pl.col("other_text"))
        .then(pl.lit("correction"))
        .otherwise(pl.coalesce([*by_signal, pl.lit(otherwise)]))
    )
    inputs = sorted(changes.same_inputs)
    bare = pl.col("file").str.replace(r"@\d+$", "")
    same_input = pl.col("file").is_in(inputs) | bare.is_in(inputs)
    # Of an input that is as it was, a row comes or goes only because of what decides, or because
    # another copy of its text, or rows more like the examples, did; of these two only the run that
    # read the row has a record.
    unrecorded = (
        pl.when(same_input)
        .then(pl.lit(changes.main or ("selection" if changes.selects else "duplicate")))
        .when(added)
        .then(pl.lit("new input"))
        .otherwise(pl.lit("gone input"))
    )
    # a row that is new in the input is new, whether or not somebody decided about it
    known = place.is_in(["rejected", "quarantine"]).fill_null(value=False)
    known |= (pl.col("kind") == "changed") | (place.is_null() & same_input)
    decided = pl.col("by_hand").fill_null(value=False) & known
    return (
        pl.when(decided & (pl.col("columns").list.join("").fill_null("") != "split"))
        .then(pl.lit("by hand"))
        .when((pl.col("kind") == "changed") & (pl.col("columns").list.join("") == "split"))
        .then(pl.lit("split"))
        .when(pl.col("kind") == "changed")
        .then(pl.lit("correction"))
        .when((place == "rejected") & _is_choice() & changes.selects)
        .then(pl.lit("selection"))
        .when(place == "rejected")
        .then(rejected)
        .when(place == "duplicates")
        .then(pl.lit("rule" if changes.dedupe else "duplicate"))
        .when(place == "quarantine")
        .then(pl.lit("rule" if changes.rules else changes.main or "correction"))
        .when(place == "unreadable")
        .then(pl.lit("correction"))
        .otherwise(unrecorded)
    )
