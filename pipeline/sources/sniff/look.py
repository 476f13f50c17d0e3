"""A file that nobody has described: its format by its first bytes, then all that a recipe says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import JsonValue

from siftset.pipeline.sources.find_files import COMPRESSIONS, FORMATS, InputFile
from siftset.pipeline.sources.formats.streams import read_blocks
from siftset.pipeline.sources.sniff.confidence import Confidence, least_sure
from siftset.pipeline.sources.sniff.dialect import START, Dialect, sniff_dialect
from siftset.pipeline.sources.sniff.encoding import EncodingGuess, sniff_encoding
from siftset.pipeline.sources.sniff.header import Fields, count_header_votes
from siftset.schemas.errors import SourceError

_MAGIC: Final = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"))
_FOREIGN: Final = (
    (b"WARC/", "a WARC file", "convert to JSONL first, one page a line"),
    (b"SQLite format 3\0", "a SQLite database", "export the table as CSV with a header"),
    (b"%PDF", "a PDF", "extract its text to .txt or JSONL first"),
    (b"<?xml", "XML", "convert to JSONL first, one record a line"),
    (b"<html", "a page of HTML", "convert to JSONL first, one page a line"),
    (b"<!doctype html", "a page of HTML", "convert to JSONL first, one page a line"),
    (b"Rar!", "an archive", "unpack it and name the folder"),
    (b"7z\xbc\xaf", "an archive", "unpack it and name the folder"),
    (b"\x1f\x8b", "gzip without the ending .gz", "rename it"),
    (b"\x28\xb5\x2f\xfd", "Zstandard without the ending .zst", "rename it"),
)
_TEXT: Final = ("csv", "tsv", "jsonl", "json", "lines", "text")
_SHEETS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class FileGuess(NamedTuple):
    """What a recipe says of a file, and why."""

    format: str
    keys: Mapping[str, JsonValue] = {}
    """Keys of `source.files` that depart from their defaults."""
    notes: Mapping[str, str] = {}
    """What is said beside some of them."""
    confidence: Confidence = "certain"
    because: tuple[str, ...] = ()
    dialect: Dialect | None = None
    encoding: EncodingGuess | None = None

    def describe(self) -> str:
        """Say in a line how the file is read."""
        parts = []
        if self.dialect is not None:
            parts.append(f"delimiter {_shown(self.dialect.delimiter)}")
        if self.encoding is not None and self.encoding.name != "utf-8":
            parts.append(f"encoding {self.encoding.name}")
        if self.dialect is not None:
            parts += _describe_dialect(self.dialect)
        return f"{self.format}; {', '.join(parts)}" if parts else self.format

    def doubts(self) -> Iterator[str]:
        """Say what else may be meant, and the key to look at."""
        if self.dialect is not None and not self.dialect.votes.is_likely:
            other = "no header" if self.dialect.header else "a header"
            yield f"also possible: {other}): look at source.files.header"
        if self.encoding is not None and self.encoding.confidence == "guess":
            yield "look at source.files.encoding"
        if self.dialect is not None and self.dialect.share < 0.95:
            yield "look at source.files.delimiter"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the dialect for `--json`."""
        found: dict[str, JsonValue] = {"format": self.format}
        if self.encoding is not None:
            found["encoding"] = self.encoding.name
        if self.dialect is not None:
            d = self.dialect
            found |= {
                "delimiter": d.delimiter,
                "quote": d.quote or "none",
                "escape": d.escape,
                "header": d.header,
                "columns": None if d.columns is None else list(d.columns),
                "skip_lines": d.skip_lines,
                "comment": d.comment,
                "null_values": list(d.null_values),
            }
        return found


def look_at_file(path: Path) -> FileGuess:
    """Tell how a file is read from its first bytes; raise SourceError where it cannot be."""
    compression = COMPRESSIONS.get(path.suffix.lower())
    ending = Path(path.stem).suffix if compression else path.suffix
    told = FORMATS.get(ending.lower())
    file = InputFile(path, path.name, path.stem, told or "text", compression)
    start = next(read_blocks(file), b"")
    if not start.strip():
        raise SourceError(f"{path}: the file is empty; expected data")
    magic = next((form for mark, form in _MAGIC if start.startswith(mark)), None)
    if told == "excel":
        return _look_at_sheets(file)
    if magic is not None or (told is not None and told not in _TEXT):
        form = magic or told
        assert form is not None
        return FileGuess(form, {} if told == form else {"format": form})
    for mark, what, todo in _FOREIGN:
        if start.lstrip()[: len(mark)].lower() == mark.lower():
            raise SourceError(f"{path}: this is {what}: {todo}")
    if start.startswith(_SHEETS):
        raise SourceError(
            f"{path}: this is an archive or a spreadsheet; expected one of {', '.join(FORMATS)}"
        )
    encoding = sniff_encoding(start)
    text = start.decode(encoding.name, errors="replace").removeprefix("\ufeff")
    if "\0" in text:
        raise SourceError(f"{path}: holds bytes that are no text; expected text or Parquet")
    if "\n" not in text and text.count("\r") > 1:
        raise SourceError(
            f"{path}: lines end with carriage returns alone: write them as line feeds"
        )
    return _look_at_text(path, text, told, encoding)


def _look_at_sheets(file: InputFile) -> FileGuess:
    """Tell which sheet holds the data, and where its header is."""
    from siftset.pipeline.sources.formats.excel import read_tops

    tops = read_tops(file)
    if not tops:
        raise SourceError(f"{file.path}: no sheet holds rows")
    sheet = max(tops, key=lambda name: sum(len(row) - row.count(None) for row in tops[name]))
    keys: dict[str, JsonValue] = {}
    notes: dict[str, str] = {}
    sure: Confidence = "certain"
    if len(tops) > 1:
        keys["sheet"] = sheet
        notes["sheet"] = f"guess: {len(tops)} sheets hold rows ({', '.join(tops)})"
        sure = "guess"
    rows = [row for row in tops[sheet] if any(row)]
    skipped = count_short_rows(tops[sheet])
    if skipped:
        keys["skip_lines"] = skipped
        rows = [row for row in tops[sheet][skipped:] if any(row)]
    votes = count_header_votes(rows[0], rows[1:])
    if not votes.is_header or not votes.is_likely:
        keys["header"] = votes.is_header
        likely: Confidence = "likely" if votes.is_likely else "guess"
        reason = "; ".join(votes.reasons()) or "nothing tells row 1 from the others"
        notes["header"] = f"{likely}: {reason}"
        sure = least_sure(sure, likely)
    return FileGuess("excel", keys, notes, sure, votes.reasons())


def count_short_rows(rows: Sequence[Fields]) -> int:
    """Count the rows above the first that is as full as most: titles, and what is blank."""
    filled = [sum(cell not in (None, "") for cell in row) for row in rows]
    given = sorted(count for count in filled if count)
    usual = given[len(given) // 2]
    top = next(at for at, count in enumerate(filled) if count >= min(usual, max(2, usual - 1)))
    return top if usual > 1 else 0


def _look_at_text(path: Path, text: str, told: str | None, encoding: EncodingGuess) -> FileGuess:
    keys: dict[str, JsonValue] = {}
    notes: dict[str, str] = {}
    if encoding.name != "utf-8":
        keys["encoding"] = encoding.name
        notes["encoding"] = f"{encoding.confidence}: {encoding.reason}"
    because = (encoding.reason,) if encoding.confidence != "certain" and encoding.reason else ()
    form = _find_format(path, text, told)
    dialect = None
    if form in ("csv", "tsv", "lines"):
        is_cut = len(text) > START
        start = text[:START]
        whole = start[: start.rfind("\n") + 1] if is_cut and "\n" in start else start
        dialect = sniff_dialect(whole, "\t" if form == "tsv" else ",", is_cut=is_cut)
    if form == "lines" and dialect is not None:
        # lines that hold the same fields each are a table
        has_marks = dialect.delimiter != "," or dialect.votes.total >= 3 or dialect.width > 2
        is_table = dialect.width > 1 and dialect.share >= 0.95 and has_marks
        form, dialect = ("csv", dialect) if is_table else ("lines", None)
    if form != told:
        keys["format"] = form
    if dialect is not None:
        written, said = _write_dialect(dialect, form)
        keys |= written
        notes |= said
    sure = least_sure(encoding.confidence, dialect.confidence if dialect else "certain")
    reasons = (*because, *(dialect.because if dialect else ()))
    return FileGuess(form, keys, notes, sure, reasons, dialect, encoding)


def _find_format(path: Path, text: str, told: str | None) -> str:
    """Return the format that the text has, whatever its ending says."""
    first = text.lstrip()[:1]
    is_whole = told == "json" and "\n" not in text.strip()
    if (
        first == "{"
        and _is_object(text.lstrip().partition("\n")[0])
        and not (is_whole and "{" in text.lstrip()[1:])
    ):
        return "jsonl"
    if first == "[" and (told in ("json", "jsonl") or text.lstrip()[1:].lstrip()[:1] == "{"):
        return "json"
    if first == "{" and told in ("json", "jsonl"):
        said = _describe_object(text)
        raise SourceError(f"{path}: {said}; expected an array, or an object a line")
    return told if told in ("csv", "tsv", "lines", "text") else "lines"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _describe_object(text: str) -> str:
    try:
        whole = json.loads(text)
    except ValueError:
        return "a JSON object over several lines"
    lists = [name for name, value in whole.items() if isinstance(value, list)]
    inside = f": write {lists[0]!r}, a list, as the file" if lists else ""
    return f"one JSON object with {', '.join(map(repr, list(whole)[:8]))}{inside}"


def _write_dialect(dialect: Dialect, form: str) -> tuple[dict[str, JsonValue], dict[str, str]]:
    """Return the keys that depart from their defaults, and what is said beside them."""
    keys: dict[str, JsonValue] = {}
    notes: dict[str, str] = {}
    if dialect.delimiter != ("\t" if form == "tsv" else ","):
        keys["delimiter"] = "tab" if dialect.delimiter == "\t" else dialect.delimiter
    if dialect.quote != '"':
        keys["quote"] = dialect.quote or "none"
    for name in ("escape", "skip_lines", "comment"):
        if getattr(dialect, name):
            keys[name] = getattr(dialect, name)
    if dialect.null_values != ("",):
        keys["null_values"] = list(dialect.null_values)
        notes["null_values"] = "stand alone in fields"
    if not dialect.header or not dialect.votes.is_likely:
        keys["header"] = dialect.header
        sure = "likely" if dialect.votes.is_likely else "guess"
        reason = "; ".join(dialect.votes.reasons()) or "nothing tells line 1 from the others"
        notes["header"] = f"{sure}: {reason}"
    if dialect.columns is not None:
        keys["columns"] = list(dialect.columns)
        notes["columns"] = "line 1 does not give every column a name of its own"
    return keys, notes


def _describe_dialect(dialect: Dialect) -> Iterator[str]:
    yield f"quote {_shown(dialect.quote) if dialect.quote else 'none'}"
    if dialect.escape:
        yield f"escape {_shown(dialect.escape)}"
    if dialect.comment:
        yield f"remarks begin with {_shown(dialect.comment)}"
    line = dialect.skip_lines + 1
    if dialect.header:
        yield f"header on line {line}"
    else:
        yield "no header" if dialect.columns is None else f"names from line {line - 1}"


def _shown(mark: str) -> str:
    return {"\t": "tab", "'": '"\'"'}.get(mark, f"'{mark}'")
