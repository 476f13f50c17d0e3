"""Rows and decisions out to a file and in from one, by the ending of its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from siftset.pipeline.decisions.files import open_log, reviewer_file
from siftset.pipeline.decisions.log import DecisionLog, append_events
from siftset.pipeline.decisions.record import Decision, Event, read_event, write_event
from siftset.pipeline.review.formats.answer import Answer, ShownRow, as_mapping, to_decision
from siftset.pipeline.review.formats.argilla import read_records, write_records
from siftset.pipeline.review.formats.label_studio import read_tasks, write_tasks
from siftset.pipeline.review.formats.spreadsheet import read_sheet, write_sheet
from siftset.pipeline.review.rows import (
    FILE,
    LABEL,
    PART,
    PARTS,
    RECORD,
    SEEN,
    WHY,
    read_review_rows,
)
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import OutputError, SourceError
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe

ENDINGS: Final = (".jsonl", ".json", ".csv")
Tool = Literal["label-studio", "argilla"]
_WRITERS: Final = {"label-studio": write_tasks, "argilla": write_records}


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What went into a file or came out of it."""

    file: str
    decisions: int
    """Decisions written to the file, or taken from it."""
    known: int = 0
    """Those of an imported file that were there already."""
    rows: int = 0
    """Rows written to the file."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields by name."""
        return dict(asdict(self))


def export_decisions(
    recipe: RecipeLike,
    file: Path,
    *,
    overrides: Sequence[str] = (),
    tool: Tool = "label-studio",
    part: str | None = None,
) -> ExchangeResult:
    """Write to a file what people decided, and for other tools the rows to decide about.

    A .jsonl file gets all decisions as they lie in the decision files, earliest first; a .csv file
    the rows for a spreadsheet, and a .json file for `tool`. `part` takes those rows alone that the
    latest run put there, or those that are `decided`. Raises SourceError for another ending.
    """
    _check_ending(file)
    if file.suffix.lower() == ".jsonl":
        log = open_log(load_recipe(recipe, overrides=overrides, uses={"output"}))
        _write_file(file, b"".join(write_event(event) for event in log.events))
        return ExchangeResult(str(file.resolve()), len(log))
    rows = list(_list_rows(recipe, overrides, part))
    write = write_sheet if file.suffix.lower() == ".csv" else _WRITERS[tool]
    _write_file(file, write(rows).encode("utf-8", "surrogatepass"))
    decided = sum(row.decision is not None for row in rows)
    return ExchangeResult(str(file.resolve()), decided, rows=len(rows))


def _list_rows(
    recipe: RecipeLike, overrides: Sequence[str], part: str | None
) -> Iterator[ShownRow]:
    if part is not None and part not in (*PARTS, "decided"):
        known = ", ".join(("decided", *PARTS))
        raise SourceError(f"--part {part}: expected one of {known}")
    found = read_review_rows(recipe, tuple(overrides))
    log = open_log(found.loaded)
    named = ("row_id", SEEN, "text", LABEL, PART, WHY, FILE, RECORD)
    for row_id, seen, text, label, where, why, file, record in found.frame.select(
        named
    ).iter_rows():
        standing = log.standing(row_id, seen)
        is_open = standing is None or standing.state not in ("applied", "skip")
        decision = None if is_open or standing is None else standing.decision
        if part is None or part == where or (part == "decided" and decision is not None):
            yield ShownRow(row_id, seen, text, label, where, why, f"{file} {record}", decision)


def import_decisions(
    recipe: RecipeLike, file: Path, *, overrides: Sequence[str] = (), by: str = "reviewer"
) -> ExchangeResult:
    """Append the decisions of a file to those beside a recipe; what is known stays as it is.

    Each goes to the file of its reviewer, and to that of `by` where the file names none. Raises
    SourceError, and appends nothing, where the file holds anything else.
    """
    _check_ending(file)
    loaded = load_recipe(recipe, overrides=overrides, uses={"output"})
    data = _read_file(file)
    if file.suffix.lower() == ".jsonl":
        return _append_new(loaded, file, _read_lines(data, file))
    answers = list(_read_answers(data, file))
    seen = _look_up(recipe, overrides, [one for one in answers if one.seen is None])
    at = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
    events = [to_decision(one, seen=one.seen or seen[one.row_id], by=by, at=at) for one in answers]
    log = open_log(loaded)
    new = [event for event in events if not _is_known(log, event)]
    done = _append_new(loaded, file, new)
    return ExchangeResult(done.file, done.decisions, len(events) - done.decisions)


def _is_known(log: DecisionLog, event: Decision) -> bool:
    """Tell whether a reviewer said the same of the same record last."""
    return any(
        (one.by, one.seen, one.effect, one.decision) ==
        (event.by, event.seen, event.effect, event.decision)
        for one in log.said(event.row_id)
    )  # fmt: skip


def _read_answers(data: bytes, file: Path) -> Iterator[Answer]:
    if file.suffix.lower() == ".csv":
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{file}: not UTF-8 (byte {error.start}): save it as CSV UTF-8"
            ) from None
        return read_sheet(text, str(file))
    try:
        found = json.loads(data)
    except ValueError as error:
        raise SourceError(f"{file}: it is no JSON ({error}); nothing was imported") from None
    items = found if isinstance(found, list) else as_mapping(found).get("records", [found])
    first = as_mapping(items[0]) if isinstance(items, list) and items else {}
    if isinstance(items, list) and "data" in first:
        return read_tasks(items, str(file))
    if isinstance(items, list) and "fields" in first:
        return read_records(items, str(file))
    raise SourceError(
        f"{file}: neither tasks of Label Studio (data, annotations) nor records of Argilla "
        "(fields, responses); nothing was imported"
    )


def _look_up(
    recipe: RecipeLike, overrides: Sequence[str], answers: Sequence[Answer]
) -> dict[str, str]:
    """Return the hash of the record as it reads now for answers that do not say what they saw."""
    if not answers:
        return {}
    rows = read_review_rows(recipe, tuple(overrides)).frame.select("row_id", SEEN)
    found = dict(rows.iter_rows())
    for one in answers:
        if one.row_id not in found:
            raise SourceError(
                f"{one.where}: the source has no row {one.row_id}, and the file does not say what "
                "was seen; nothing was imported"
            )
    return found


def _append_new(loaded: LoadedRecipe, file: Path, events: Iterable[Event]) -> ExchangeResult:
    known = {event.event: event for event in open_log(loaded).events}
    new: dict[str, dict[str, Event]] = {}
    again = 0
    for event in events:
        before = known.setdefault(event.event, event)
        if before is not event:
            if before != event:
                raise SourceError(
                    f"{file}: event '{event.event}' is known and says something else there: "
                    "expected one name an event; nothing was imported"
                )
            again += 1
            continue
        new.setdefault(event.by, {})[event.event] = event
    for by, mine in new.items():
        append_events(reviewer_file(loaded, by), mine.values())
    return ExchangeResult(str(file.resolve()), sum(map(len, new.values())), again)


def _read_lines(data: bytes, file: Path) -> list[Event]:
    found: list[Event] = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                found.append(read_event(line))
            except ValueError as error:
                raise SourceError(
                    f"{file}, line {number}: {error}: expected a decision as siftset writes it; "
                    "nothing was imported"
                ) from None
    return found


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from error


def _write_file(file: Path, data: bytes) -> None:
    try:
        with atomic_write(file) as draft:
            draft.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error


def _check_ending(file: Path) -> None:
    if file.suffix.lower() not in ENDINGS:
        raise SourceError(f"{file}: expected a name that ends in {', '.join(ENDINGS)}")
