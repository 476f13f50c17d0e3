"""CSV for spreadsheets: a line a row, four empty columns to fill in.

Ids carry a word before their digits, so that no spreadsheet takes one for a number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Final

from siftset.pipeline.decisions.record import shown_label, write_moment
from siftset.pipeline.review.formats.answer import (
    Answer,
    ShownRow,
    read_id,
    read_label,
    read_moment,
    read_seen,
    read_verb,
)
from siftset.schemas.errors import SourceError

COLUMNS: Final = (
    "text", "label", "part", "why", "decision", "new_label", "new_text", "reason", "by", "at",
    "place", "row_id", "seen",
)  # fmt: skip
_FORMULA: Final = re.compile(r"^'*[=+\-@\t\r]")
"""Text that a spreadsheet takes for a formula, with or without the apostrophes put before it."""
_DELIMITERS: Final = ",;\t"


def write_sheet(rows: Iterable[ShownRow]) -> str:
    """Return rows as CSV with a mark of UTF-8, which spreadsheets look for."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        one = row.decision
        told = (
            row.text, row.label, row.part, row.why,
            one and one.decision, one and " | ".join(shown_label(one.label)), one and one.text,
            one and one.reason, one and one.by, one and write_moment(one.at),
            row.place, f"row {row.row_id}", f"seen {row.seen}",
        )  # fmt: skip
        writer.writerow([_guard(value or "") for value in told])
    return buffer.getvalue()


def _guard(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _unguard(text: str | None) -> str:
    text = text or ""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def read_sheet(text: str, name: str) -> Iterator[Answer]:
    """Yield the lines that were filled in; raises SourceError for a sheet that is none of ours."""
    head = text.removeprefix("\ufeff")
    first = head.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.DictReader(io.StringIO(head), delimiter=delimiter)
    missing = [c for c in ("row_id", "decision") if c not in (reader.fieldnames or ())]
    if missing:
        raise SourceError(
            f"{name}: it has no column '{missing[0]}': expected the columns that the export wrote, "
            f"{', '.join(COLUMNS)}"
        )
    for line in reader:
        where = f"{name}, line {reader.line_num}"
        verb = read_verb(line.get("decision"), where)
        label = [part.strip() for part in _unguard(line.get("new_label")).split(" | ")]
        new_label, new_text = read_label([one for one in label if one]), line.get("new_text")
        edited = _unguard(new_text) or None
        if (verb, new_label, edited) == (None, None, None):
            continue
        yield Answer(
            where, read_id(line.get("row_id"), where), read_seen(line.get("seen")), verb,
            new_label, edited, _unguard(line.get("reason")) or None,
            _unguard(line.get("by")) or None, read_moment(line.get("at")),
        )  # fmt: skip
