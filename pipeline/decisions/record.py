"""One line of a decision file: a decision about a row, or an undo of earlier lines."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    model_validator,
)

from siftset.schemas.recipe.section import Label

Verb = Literal["keep", "drop", "relabel", "edit", "skip"]
DecisionState = Literal["applied", "stale", "orphaned", "disputed", "skip"]
"""applied: in force; stale: the row reads otherwise now; orphaned: no record has this id; disputed:
reviewers disagree and the formula decides; skip: looked at and put off."""
RANDOM_KEPT: Final = "random_kept"
RANDOM_REJECTED: Final = "random_rejected"
"""The queues whose rows are drawn at random, which alone say how right the set is."""
LONGEST_REASON: Final = 4_000
LONGEST_TEXT: Final = 2_000_000

ReviewLabel = Label | tuple[Label, ...]
"""The label of a row, several where its column holds lists."""


def new_step() -> str:
    """Return a name for what a reviewer does at once; its lines are `STEP-0`, `STEP-1`, ..."""
    return secrets.token_hex(6)


class Effect(NamedTuple):
    """What a decision does to its row; reviewers whose effects differ disagree."""

    verdict: Literal["keep", "drop"] | None
    """None where the formula decides about the changed row."""
    label: ReviewLabel | None
    text: str | None


class DecidedRecord(BaseModel):
    """Where the row was read when it was decided."""

    model_config = ConfigDict(frozen=True)

    file: str
    record: int


class Decision(BaseModel):
    """What one reviewer said of one row.

    `keep` and `edit` may name a label too, `keep` and `relabel` a text: the row is changed first,
    and `keep` then holds whatever the formula says of it.
    """

    model_config = ConfigDict(frozen=True)

    event: str = Field(default_factory=new_step, min_length=1, max_length=100)
    row_id: str = Field(pattern="^[0-9a-f]{32}$")
    source: DecidedRecord | None = None
    seen: str = Field(pattern="^[0-9a-f]{16}$")
    """Hash of the record that the reviewer saw, before any decision."""
    decision: Verb
    label: ReviewLabel | None = None
    text: str | None = Field(None, max_length=LONGEST_TEXT)
    reason: str | None = Field(None, max_length=LONGEST_REASON)
    how: Literal["row", "bulk"] = "row"
    """Whether the row was looked at by itself, or was one of many decided at once."""
    queue: str | None = Field(None, max_length=100)
    """The queue that the row was taken from."""
    by: str = Field(min_length=1, max_length=200)
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    run_id: str | None = None
    """The run whose rows the reviewer looked at."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.decision == "relabel" and self.label is None:
            raise ValueError("'relabel' needs a label")
        if self.decision == "edit" and self.text is None:
            raise ValueError("'edit' needs a text")
        if self.decision in ("drop", "skip") and (self.label, self.text) != (None, None):
            raise ValueError(f"'{self.decision}' takes neither label nor text")
        return self

    @field_serializer("at")
    def _write_moment(self, at: datetime) -> str:
        return write_moment(at)

    @property
    def effect(self) -> Effect | None:
        """What it does to the row; None for a row that was put off."""
        if self.decision == "skip":
            return None
        verdict = self.decision if self.decision in ("keep", "drop") else None
        return Effect(verdict, self.label, self.text)


class Undo(BaseModel):
    """Earlier lines that no longer hold, of any file and of any reviewer."""

    model_config = ConfigDict(frozen=True)

    event: str = Field(default_factory=new_step, min_length=1, max_length=100)
    undo: tuple[str, ...] = Field(min_length=1)
    by: str = Field(min_length=1, max_length=200)
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_serializer("at")
    def _write_moment(self, at: datetime) -> str:
        return write_moment(at)


Event = Decision | Undo


def step_of(event: str) -> str:
    """Return the step that an event is a part of."""
    return event.split("-", 1)[0]


def shown_label(label: ReviewLabel | None) -> list[str]:
    """Return a label as a list, of none, one or several."""
    return [] if label is None else [label] if isinstance(label, str) else list(label)


def write_moment(at: datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_event(event: Event) -> bytes:
    """Return the line of an event, with its end."""
    fields = event.model_dump(mode="json", exclude_none=True)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_event(line: bytes) -> Event:
    """Return the event of a line; raises ValueError, one line, where it is none."""
    if b'"undo"' not in line:
        # one pass for nearly all lines; the others are read again to say what is wrong with them
        with suppress(ValidationError):
            return Decision.model_validate_json(line)
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}, expected a JSON object")
    return check_event(found)


def check_event(fields: Mapping[str, object]) -> Event:
    """Return the event with these fields; raises ValueError, one line, where they make none."""
    try:
        return (Undo if "undo" in fields else Decision).model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {said}" if where else said) from None
