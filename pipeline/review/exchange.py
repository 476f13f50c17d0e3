"""Decisions out to a file and in from one, by the ending of its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.decisions.files import open_log, reviewer_file
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Event, read_event, write_event
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import OutputError, SourceError
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe

ENDINGS: Final = (".jsonl",)


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What went into a file or came out of it."""

    file: str
    decisions: int
    """Lines written to the file, or taken from it."""
    known: int = 0
    """Those of an imported file that were there already."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields by name."""
        return dict(asdict(self))


def export_decisions(
    recipe: RecipeLike, file: Path, *, overrides: Sequence[str] = ()
) -> ExchangeResult:
    """Write all decisions about the rows of a recipe to a file, earliest first."""
    _check_ending(file)
    log = open_log(load_recipe(recipe, overrides=overrides, uses={"output"}))
    try:
        with atomic_write(file) as draft:
            draft.write_bytes(b"".join(write_event(event) for event in log.events))
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error
    return ExchangeResult(str(file.resolve()), len(log))


def import_decisions(
    recipe: RecipeLike, file: Path, *, overrides: Sequence[str] = ()
) -> ExchangeResult:
    """Append the decisions of a file to those beside a recipe; what is known stays as it is.

    Each goes to the file of its reviewer. Raises SourceError, and appends nothing, where the file
    holds anything else.
    """
    _check_ending(file)
    loaded = load_recipe(recipe, overrides=overrides, uses={"output"})
    return _append_new(loaded, file, _read_lines(file))


def _append_new(loaded: LoadedRecipe, file: Path, events: Iterable[Event]) -> ExchangeResult:
    known = {event.event: event for event in open_log(loaded).events}
    new: dict[str, dict[str, Event]] = {}
    count = again = 0
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
        count += 1
        new.setdefault(event.by, {})[event.event] = event
    for by, mine in new.items():
        append_events(reviewer_file(loaded, by), mine.values())
    return ExchangeResult(str(file.resolve()), count, again)


def _read_lines(file: Path) -> list[Event]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from error
    found: list[Event] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(read_event(line))
            except ValueError as error:
                raise SourceError(
                    f"{file}, line {number}: {error}: expected a decision as siftset writes it; "
                    "nothing was imported"
                ) from None
    return found


def _check_ending(file: Path) -> None:
    if file.suffix.lower() not in ENDINGS:
        raise SourceError(f"{file}: expected a name that ends in {', '.join(ENDINGS)}")
