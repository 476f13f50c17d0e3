"""Decisions as a table that is joined to rows: what changes, what is kept or dropped by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.log import DecisionLog, decide_row
from siftset.pipeline.decisions.record import Decision, DecisionState, Effect, shown_label
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import SourceError
from siftset.schemas.plurals import format_count

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


_NOTHING: Final = Effect(None, None, None)


class _Line(NamedTuple):
    """What holds for a row as somebody saw it."""

    row_id: str
    seen: str
    state: DecisionState
    effect: Effect
    otherwise: DecisionState
    """The state of the row where it reads otherwise."""
    decision: Decision | None
    """What applies."""


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

    def changed_ids(self) -> frozenset[str]:
        """Return the ids of the rows whose label or text somebody changed."""
        changed = self.rows.filter(pl.col("has_label") | pl.col("has_text"))
        return frozenset(changed["row_id"])

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
    lines = _list_lines(log)
    for line in lines:
        _check_effect(line, schema)
    effects = [line.effect for line in lines]
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
            "row_id": [line.row_id for line in lines],
            "seen": [line.seen for line in lines],
            "state": [line.state for line in lines],
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
    otherwise = {line.row_id: line.otherwise for line in lines}
    ids = pl.DataFrame(
        {"row_id": list(otherwise), "otherwise": list(otherwise.values())},
        schema={"row_id": pl.String, "otherwise": pl.String},
    )
    return DecisionTable(rows, ids, tuple(record or schema), tuple(changes), _hash_lines(lines))


def hash_decisions(log: DecisionLog) -> str:
    """Hash what may change a row, or be told of one: neither reasons nor who agreed count."""
    return _hash_lines(_list_lines(log))


def _hash_lines(lines: Iterable[_Line]) -> str:
    told = sorted(line[:4] for line in lines if line.state in ("applied", "disputed"))
    plain: list[JsonValue] = [
        [row, seen, state, effect.verdict, [*shown_label(effect.label)], effect.text]
        for row, seen, state, effect in told
    ]
    return json_digest(plain) if plain else ""


def _list_lines(log: DecisionLog) -> list[_Line]:
    """Return what holds for each record that somebody saw."""
    lines: list[_Line] = []
    for row_id, said in log.list_said():
        is_decided = any(one.decision != "skip" for one in said)
        otherwise: DecisionState = "stale" if is_decided else "skip"
        for seen in dict.fromkeys(one.seen for one in said):
            found = decide_row(said, seen)
            applied = found.decision if found.state == "applied" else None
            effect = None if applied is None else applied.effect
            lines.append(_Line(row_id, seen, found.state, effect or _NOTHING, otherwise, applied))
    return lines


def _check_effect(line: _Line, schema: Mapping[str, pl.DataType]) -> None:
    if line.decision is None:
        return
    named = f"decision '{line.decision.event}' of {line.decision.by}"
    if line.effect.text is not None and schema.get(COLUMN) == MESSAGES:
        raise SourceError(
            f"{named}: it changes the text, which is made of the conversation: expected keep, drop "
            "or relabel there; undo it"
        )
    if line.effect.label is not None and "label" not in schema:
        raise SourceError(
            f"{named}: it changes the label, and the source has no column 'label': name it with  "
            "label: COLUMN  in the source, or undo it"
        )


def _fit_labels(lines: Iterable[_Line], schema: Mapping[str, pl.DataType]) -> pl.Series:
    """Return the labels in the type of the source's column."""
    dtype = schema.get("label", pl.String())
    listed = isinstance(dtype, pl.List | pl.Array)
    values: list[object] = []
    for line in lines:
        label = line.effect.label
        if label is not None and not listed and not isinstance(label, str):
            raise SourceError(
                f"row {line.row_id} is relabelled with {format_count(len(label), 'label')}, "
                "but a row of this source has one: expected one label"
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
