"""Decisions as a table that is joined to rows: what changes, what is kept or dropped by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from siftset.pipeline.decisions.log import DecisionLog, decide_row
from siftset.pipeline.decisions.record import Decision, Effect
from siftset.pipeline.decisions.seen import hash_records
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import SourceError

CLAUSE: Final = "review"
"""What rejects a row that was dropped by hand, in place of a clause of the formula."""
DROPPED: Final = "dropped by hand"
BEFORE: Final = "_before"
"""Column of candidates: label and text of the record where a decision changed the row."""
MET: Final = pl.Schema(
    [
        ("row_id", pl.String()),
        ("state", pl.String()),
        ("verdict", pl.String()),
        ("relabelled", pl.Boolean()),
        ("edited", pl.Boolean()),
    ]
)
"""What is said of every row read that somebody decided about."""


@dataclass(frozen=True, slots=True)
class DecidedRows:
    """A frame with what people decided of its rows."""

    frame: pl.DataFrame
    """The rows, those relabelled and edited changed."""
    by_hand: pl.DataFrame
    """For each row `verdict`, that is keep, drop or null, and where any decision changes rows also
    BEFORE: the record's label and text of a changed one, else null."""
    found: pl.DataFrame
    """A line for each row that somebody decided about: `_at`, its place, MET, and its label."""

    def relabel(self, frame: pl.DataFrame) -> DecidedRows:
        """Return the same of these rows where their labels were made only now, as votes are."""
        return replace(self, frame=_change_column(frame, self.found, "label"))


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """What is in force of a set's decisions, small enough to travel with every task."""

    rows: pl.DataFrame
    """row_id, seen, state, verdict, has_label, label, has_text, text: a line for each record that
    somebody saw."""
    ids: pl.DataFrame
    """row_id and the state of a row that reads otherwise than anybody saw it."""
    columns: tuple[str, ...]
    """The source's columns, which are what was seen."""
    changes: tuple[str, ...]
    """Which of label and text decisions change."""
    fingerprint: str
    """A hash of everything that may change a row; empty where nothing does."""

    def decide(self, frame: pl.DataFrame) -> DecidedRows:
        """Return a frame with its decisions."""
        numbered = frame.select("row_id").with_row_index("_at")
        here = numbered.join(self.ids, on="row_id", how="inner", maintain_order="left")
        record = frame[here["_at"]]
        here = here.with_columns(hash_records(record, self.columns))
        found = here.join(self.rows, on=["row_id", "seen"], how="left", maintain_order="left")
        found = found.with_columns(state=pl.coalesce("state", "otherwise"))
        applied = pl.col("state") == "applied"
        found = found.with_columns(
            verdict=pl.when(applied).then("verdict"),
            relabelled=applied & pl.col("has_label").fill_null(False),
            edited=applied & pl.col("has_text").fill_null(False),
        )
        verdict = pl.repeat(None, frame.height, dtype=pl.String, eager=True).alias("verdict")
        by_hand = verdict.scatter(found["_at"], found["verdict"]).to_frame()
        changes = [name for name in self.changes if name in frame.columns]
        if changes:
            mask = pl.repeat(False, frame.height, eager=True)
            mask = mask.scatter(found.filter(pl.col("relabelled") | pl.col("edited"))["_at"], True)
            before = pl.when(pl.lit(mask)).then(pl.struct(changes)).alias(BEFORE)
            by_hand = by_hand.hstack(frame.select(before))
        for name in changes:
            frame = _change_column(frame, found, name)
        return DecidedRows(frame, by_hand, found)


def _change_column(frame: pl.DataFrame, found: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return a frame with what decisions put into a column, that is label or text."""
    changed = found.filter(pl.col({"label": "relabelled", "text": "edited"}[name]))
    if changed.is_empty():
        return frame
    told = changed.select("_at", pl.col(name).alias("_new"), _changed=pl.lit(True))
    joined = frame.with_row_index("_at").join(told, on="_at", how="left", maintain_order="left")
    new = pl.when("_changed").then("_new").otherwise(name).alias(name)
    return joined.with_columns(new).select(frame.columns)


def restore_records(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return candidates as their records were before any decision."""
    dtype = candidates.schema.get(BEFORE)
    if not isinstance(dtype, pl.Struct):
        return candidates
    record = pl.col(BEFORE)
    said = [
        pl.when(record.is_null()).then(name).otherwise(record.struct.field(name)).alias(name)
        for name in (field.name for field in dtype.fields)
    ]
    return candidates.with_columns(said)


def make_table(
    log: DecisionLog, schema: Mapping[str, pl.DataType], record: Collection[str] | None = None
) -> DecisionTable:
    """Return what is in force of the decisions about rows with the columns of `schema`.

    `record` names those of the input, where others are made later. Raises SourceError where a
    decision changes what the source does not have.
    """
    lines: list[tuple[str, str, str, Effect]] = []
    otherwise: dict[str, str] = {}
    nothing = Effect(None, None, None)
    for row_id in log.row_ids:
        said = log.said(row_id)
        is_decided = any(one.effect is not None for one in said)
        otherwise[row_id] = "stale" if is_decided else "skip"
        for seen in {one.seen for one in said}:
            found = decide_row(said, seen)
            effect = nothing
            if found.state == "applied" and found.decision is not None:
                effect = found.decision.effect or nothing
                _check_effect(found.decision, schema)
            lines.append((row_id, seen, found.state, effect))
    effects = [line[3] for line in lines]
    changes = [
        name
        for name, used in (
            ("label", any(effect.label is not None for effect in effects)),
            ("text", any(effect.text is not None for effect in effects)),
        )
        if used
    ]
    rows = pl.DataFrame(
        {
            "row_id": [line[0] for line in lines],
            "seen": [line[1] for line in lines],
            "state": [line[2] for line in lines],
            "verdict": [effect.verdict for effect in effects],
            "has_label": [effect.label is not None for effect in effects],
            "has_text": [effect.text is not None for effect in effects],
            "text": [effect.text for effect in effects],
        },
        schema={
            "row_id": pl.String,
            "seen": pl.String,
            "state": pl.String,
            "verdict": pl.String,
            "has_label": pl.Boolean,
            "has_text": pl.Boolean,
            "text": pl.String,
        },
    ).with_columns(_fit_labels(lines, schema))
    ids = pl.DataFrame(
        {"row_id": list(otherwise), "otherwise": list(otherwise.values())},
        schema={"row_id": pl.String, "otherwise": pl.String},
    )
    return DecisionTable(rows, ids, tuple(record or schema), tuple(changes), _hash_effects(lines))


def _hash_effects(lines: Iterable[tuple[str, str, str, Effect]]) -> str:
    """Hash what may change a row, or be told of one: neither reasons nor who agreed count."""
    told = sorted(json.dumps([row, seen, state, effect]) for row, seen, state, effect in lines
                  if state in ("applied", "disputed"))  # fmt: skip
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32] if told else ""


def _check_effect(decision: Decision, schema: Mapping[str, pl.DataType]) -> None:
    if decision.text is not None and schema.get(COLUMN) == MESSAGES:
        raise SourceError(
            f"decision '{decision.event}' of {decision.by}: it changes the text, which is made of "
            "the conversation: expected keep, drop or relabel there; undo it"
        )
    if decision.label is not None and "label" not in schema:
        raise SourceError(
            f"decision '{decision.event}' of {decision.by}: it changes the label, and the source "
            "has no column 'label': name it with  label: COLUMN  in the source, or undo it"
        )


def _fit_labels(
    lines: Iterable[tuple[str, str, str, Effect]], schema: Mapping[str, pl.DataType]
) -> pl.Series:
    """Return the labels in the type of the source's column."""
    dtype = schema.get("label", pl.String())
    listed = isinstance(dtype, pl.List | pl.Array)
    values: list[object] = []
    for row_id, _, _, effect in lines:
        label = effect.label
        if label is not None and not listed and not isinstance(label, str):
            raise SourceError(
                f"row {row_id} is relabelled with {len(label)} labels, but a row of this source "
                "has one: expected one label"
            )
        several = (label,) if listed and isinstance(label, str) else label
        values.append(list(several) if isinstance(several, tuple) else several)
    texts = pl.Series("label", values, dtype=pl.List(pl.String) if listed else pl.String)
    if dtype == pl.Null:
        return texts
    try:
        return texts.cast(dtype)
    except pl.exceptions.PolarsError as error:
        problem = " ".join(str(error).split())
        raise SourceError(
            f"a row is relabelled with what is no {dtype}, the type of the column 'label' "
            f"({problem[:200]}): expected a label of that type"
        ) from error
