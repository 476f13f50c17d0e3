"""A row as other tools show it, and what somebody answered there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from pydantic import JsonValue

from siftset.pipeline.decisions.record import Decision, ReviewLabel, Verb, check_event, shown_label
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.section import label_text

VERBS: tuple[str, ...] = get_args(Verb)


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that goes out."""

    row_id: str
    seen: str
    text: str | None
    label: str | None
    part: str
    """Where the latest run put it."""
    why: str | None
    place: str
    """File and record."""
    decision: Decision | None
    """What is in force for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back about a row."""

    where: str
    """Its place in the file, for messages."""
    row_id: str
    seen: str | None
    """Hash of the record as it went out, None where the file does not say."""
    verb: str | None
    """None where the label or the text says all."""
    label: ReviewLabel | None
    text: str | None
    reason: str | None
    by: str | None
    at: datetime | None


def to_decision(answer: Answer, *, seen: str, by: str, at: datetime) -> Decision:
    """Return an answer as a decision; the same answer gives the same event.

    Raises SourceError for one that says nothing, or what no decision can say.
    """
    verb = answer.verb or (
        "edit" if answer.text is not None else "relabel" if answer.label is not None else None
    )
    who = answer.by or by
    moment = None if answer.at is None else answer.at.isoformat()
    said: list[JsonValue] = [verb, answer.text, answer.reason, who, moment]
    event = json_digest([answer.row_id, [*shown_label(answer.label)], said])
    changes = verb not in ("drop", "skip")
    try:
        made = check_event(
            {
                "event": f"in{event[:18]}",
                "row_id": answer.row_id,
                "seen": seen,
                "decision": verb,
                "label": answer.label if changes else None,
                "text": answer.text if changes else None,
                "reason": answer.reason,
                "by": who,
                "at": answer.at or at,
            }
        )
    except ValueError as error:
        raise SourceError(
            f"{answer.where}: {error}: expected one of {', '.join(VERBS)}, with a label to relabel "
            "and a text to edit; nothing was imported"
        ) from None
    assert isinstance(made, Decision)
    return made


def read_verb(value: object, where: str) -> str | None:
    """Return a decision as it was written; None for nothing. Raises SourceError for another."""
    text = "" if value is None else str(value).strip().lower()
    if text and text not in VERBS:
        raise SourceError(
            f"{where}: decision '{value}': expected one of {', '.join(VERBS)}; nothing was imported"
        )
    return text or None


def read_label(value: object) -> ReviewLabel | None:
    """Return a label as it was written, several as a tuple."""
    if value is None or value == "":
        return None
    if isinstance(value, list | tuple):
        several = tuple(label_text(one) for one in value)
        return several[0] if len(several) == 1 else several or None
    return label_text(value)


def read_moment(value: object) -> datetime | None:
    """Return a moment that was written as ISO 8601, None where none was."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        found = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone() if found.tzinfo is None else found


def read_id(value: object, where: str) -> str:
    """Return a row_id as it was written; raises SourceError where it is none."""
    text = str(value or "").strip().removeprefix("row ")
    if len(text) != 32 or set(text) - set("0123456789abcdef"):
        raise SourceError(
            f"{where}: row_id '{value}': expected the 32 hex digits that the export wrote there; "
            "nothing was imported"
        )
    return text


def read_seen(value: object) -> str | None:
    """Return what was seen as it was written; None where nothing was."""
    text = str(value or "").strip().removeprefix("seen ")
    return text if len(text) == 16 and not set(text) - set("0123456789abcdef") else None


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object, one without entries in place of anything else."""
    return value if isinstance(value, Mapping) else {}
