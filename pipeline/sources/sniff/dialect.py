"""How delimited text is written, from how a file begins: delimiter, quotes, lines before a header.

Every combination of delimiter, quote and escape reads the first records; the best one makes most of
them equally long and uses its quotes cleanly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Final, NamedTuple

from siftset.pipeline.sources.formats.quotes import Grammar
from siftset.pipeline.sources.sniff.confidence import Confidence, least_sure
from siftset.pipeline.sources.sniff.header import (
    Fields,
    HeaderVotes,
    count_header_votes,
    is_date,
    is_number,
)

START: Final = 64 * 2**10
"""How much of a file is looked at."""
_RECORDS: Final = 300
_LONGEST: Final = 2**20
_DELIMITERS: Final = (",", ";", "\t", "|")
_WRITING: Final[tuple[tuple[str | None, str | None], ...]] = (
    ('"', None), ('"', "\\"), ("'", None), ("'", "\\"), (None, None), (None, "\\"),
)  # fmt: skip
_ENOUGH: Final = 0.7
_TITLE_LINES: Final = 12
_NULLS: Final = ("NULL", "NA", "N/A", "n/a", "NaN", "nan", "None", "null", "#N/A")
_SEP: Final = re.compile(r"sep=(.)\r?")


class Reading(NamedTuple):
    """The first records as one way of writing reads them."""

    delimiter: str
    quote: str | None
    escape: str | None
    rows: tuple[Fields, ...]
    """Fields of every record that is not blank."""
    raw: tuple[str, ...]
    share: float
    """Share of records with as many fields as most."""
    score: float

    @property
    def width(self) -> int:
        """How many fields most records have."""
        return _most_common(self.rows)


class Dialect(NamedTuple):
    """How a file is written, and how sure that is."""

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None
    skip_lines: int = 0
    comment: str | None = None
    null_values: tuple[str, ...] = ("",)
    header: bool = True
    columns: tuple[str, ...] | None = None
    """Names in place of those of line 1, where those cannot be used."""
    width: int = 1
    share: float = 1.0
    """Share of records with as many fields as most."""
    confidence: Confidence = "certain"
    because: tuple[str, ...] = ()
    votes: HeaderVotes = HeaderVotes(())


def sniff_dialect(text: str, usual: str = ",", *, is_cut: bool = False) -> Dialect:
    """Tell how delimited text is written from how it begins; `usual` is its ending's delimiter.

    Of a text that is cut the last record counts only where it is whole.
    """
    told = _SEP.fullmatch(text.partition("\n")[0])
    lines = text.split("\n")
    skip = 1 if told else 0
    comment = _find_comment(lines[skip:])
    body = "\n".join(line for line in lines[skip:] if not (comment and line.startswith(comment)))
    delimiters = (told[1],) if told else _DELIMITERS
    best = _best_reading(body, delimiters, usual, is_cut=is_cut)
    if best is None:
        return _one_column(body, usual, skip, comment, is_cut=is_cut)
    title = _count_title_lines(best, body)
    rows = best.rows[_rows_above(best, title) :]
    if len(rows[0]) < best.width - 1 and best.share < 0.9:
        return _one_column(body, usual, skip, comment, is_cut=is_cut)
    return _describe(best, rows, skip + title, comment, is_told=told is not None)


def _one_column(body: str, usual: str, skip: int, comment: str | None, *, is_cut: bool) -> Dialect:
    found = _read(body, usual, '"', None, is_cut=is_cut)
    rows = found.rows if found is not None else ()
    votes = count_header_votes(rows[0], rows[1:]) if rows else HeaderVotes(())
    return Dialect(
        usual, skip_lines=skip, comment=comment, header=votes.is_header,
        confidence="likely" if votes.is_likely else "guess",
        because=("one column", *votes.reasons()), votes=votes,
    )  # fmt: skip


def _describe(
    best: Reading, rows: Sequence[Fields], skip: int, comment: str | None, *, is_told: bool
) -> Dialect:
    """Put together what a reading says, with header and nulls."""
    votes = count_header_votes(rows[0], rows[1:_RECORDS])
    header, columns = votes.is_header, None
    because = list(votes.reasons())
    if header and len(rows) > 1 and len(rows[0]) == _most_common(rows[1:]) - 1:
        # R writes no name above the names of rows
        names = [cell or f"column_{at}" for at, cell in enumerate(rows[0], 1)]
        columns, header, skip = ("row", *names), False, skip + 1
        because.append("the header has no name above the names of rows")
    elif header:
        columns = _usable_names(rows[0])
    body = rows[1:] if votes.is_header else rows
    width = len(columns or rows[0])  # records of another width cannot be read
    share = sum(len(row) == width for row in body) / max(1, len(body))
    sure: Confidence = "certain" if share == 1 and len(rows) > 2 else "likely"
    if share < 0.95 and not is_told:
        sure = "guess"
        because.append(f"{share:.0%} of the records have {width} fields")
    return Dialect(
        best.delimiter, best.quote, best.escape, skip, comment, _find_nulls(best), header, columns,
        width, share, least_sure(sure, _header_confidence(votes)), tuple(because), votes,
    )  # fmt: skip


def _header_confidence(votes: HeaderVotes) -> Confidence:
    if votes.total >= 6:
        return "certain"
    return "likely" if votes.is_likely else "guess"


def _best_reading(
    body: str, delimiters: Sequence[str], usual: str, *, is_cut: bool
) -> Reading | None:
    """Return the best of all readings; None where the text is one column."""
    marked = {mark for mark in ('"', "'", "\\") if mark in body}
    ways = [
        (delimiter, quote, escape)
        for delimiter, (quote, escape) in product(delimiters, _WRITING)
        if delimiter in body
        and (escape is None or escape in marked)
        and (quote != "'" or quote in marked)
        and (quote is not None or marked & {'"', "\\"})
    ]
    if _is_one_quoted_column(body):
        return None
    found = [reading for way in ways if (reading := _read(body, *way, is_cut=is_cut)) is not None]
    found = [one for one in found if one.width > 1 and one.score >= _ENOUGH - 0.3 / one.width]
    # equal ones: the ending's delimiter, then the order of the list
    return max(found, key=lambda one: (round(one.score, 3), one.delimiter == usual), default=None)


def _read(
    body: str, delimiter: str, quote: str | None, escape: str | None, *, is_cut: bool
) -> Reading | None:
    """Read the first records one way; None where that way cannot be meant."""
    grammar = Grammar(delimiter, _LONGEST, quote=quote, escape=escape)
    raw, flaws = _first_records(grammar, body, is_cut=is_cut)
    if not raw:
        return None
    rows = [grammar.split_fields(line) for line in raw]
    width = _most_common(rows)
    share = sum(len(row) == width for row in rows) / (len(rows) + flaws)
    texts = tuple(line.decode() for line in raw)
    if share < 0.9 and len(rows[0]) == max(map(len, rows)) > 2:
        # programs leave out empty fields at the end, never of the header
        share = max(share, 0.9 * sum(len(row) > 1 for row in rows) / (len(rows) + flaws))
    clean = _quote_score(texts, delimiter, quote, escape, flaws)
    # more columns are less likely to be chance
    score = share * clean * (1 - 0.1 / width)
    return Reading(delimiter, quote, escape, tuple(rows), texts, share, score)


def read_fields(grammar: Grammar, text: str, *, is_cut: bool) -> list[Fields]:
    """Return the fields of the first records of a text that are neither blank nor remarks."""
    raw, _ = _first_records(grammar, text, is_cut=is_cut)
    return [grammar.split_fields(line) for line in raw if not grammar.is_comment(line)]


def _first_records(grammar: Grammar, text: str, *, is_cut: bool) -> tuple[list[bytes], int]:
    """Return the first records that are not blank, and how many have a wrong quote."""
    raw: list[bytes] = []
    flaws = 0
    data = text.encode()
    for split in grammar.split_records([data]):
        whole = split.records
        # what is left over at a cut is no record: its quotes may close behind it
        if is_cut and whole.offset > 0 and whole.offset + len(whole.data) == len(data):
            break
        for at in range(len(whole)):
            if at in split.flaws:
                flaws += 1
            elif (line := whole.raw_bytes(at)).strip():
                raw.append(line)
            if len(raw) + flaws == _RECORDS:
                return raw, flaws
    return raw, flaws


def _quote_score(
    raw: Sequence[str],
    delimiter: str,
    quote: str | None,
    escape: str | None,
    flaws: int,
) -> float:
    """Tell how well quotes and escapes explain what is there, from 0 to 1."""
    pieces = [piece for line in raw[:100] for piece in line.split(delimiter)]
    if quote is None:
        wrapped = sum(len(p) > 1 and p[0] == p[-1] == '"' for p in pieces)
        begun = sum(p.startswith('"') for p in pieces)
        # a lone backslash may be part of a path; these are written by databases alone
        freed = sum(p == r"\N" or r"\\" in p or p.endswith("\\") for p in pieces)
        score = 0.5 if begun and wrapped >= 0.8 * begun else 0.98
        if escape is None:
            return score
        return score * (1.03 if freed else 0.97)
    begun = sum(p.startswith(quote) for p in pieces)
    score = 1.0 - min(1.0, 2 * flaws / (len(raw) + flaws))
    if quote == "'":
        # apostrophes are no quotes: whole fields must be in them
        ended = sum(p.endswith(quote) and len(p) > 1 for p in pieces)
        score *= 0.99 if begun and min(begun, ended) >= 0.9 * max(begun, ended) else 0.5
    if any("\n" in text for text in raw):
        counts = {
            line.count(delimiter) for text in raw for line in text.split("\n") if line.strip()
        }
        # lines that are even by themselves
        score *= 0.9 if len(counts) == 1 and counts != {0} else 1.0
    if escape is not None:
        used = sum(f"{escape}{quote}" in line or escape * 2 in line for line in raw)
        score *= 1.0 if used else 0.97
    return score


def _is_one_quoted_column(body: str) -> bool:
    lines = [line.rstrip("\r") for line in body.split("\n")[:_RECORDS] if line.strip()]
    whole = [re.fullmatch(r'"(?:[^"]|"")*"', line) is not None for line in lines]
    return len(lines) > 1 and sum(whole) >= 0.95 * len(lines)


def _find_comment(lines: Sequence[str]) -> str | None:
    """Return what remarks begin with; a line that has as many fields as others is none."""
    given = [line for line in lines[:_RECORDS] if line.strip()]
    for mark in ("#", "//", "--"):
        noted = [line for line in given if line.startswith(mark)]
        others = [line for line in given if not line.startswith(mark)]
        if not noted or len(noted) > len(others) or not given[0].startswith(mark):
            continue
        widths = {d: Counter(line.count(d) for line in others) for d in _DELIMITERS}
        even = [d for d, counts in widths.items() if counts.most_common(1)[0][0] > 0]
        names = [d for d in even if noted[-1].count(d) == widths[d].most_common(1)[0][0]]
        table = [line.split(names[0]) for line in others] if names else []
        if not names or count_header_votes(table[0], table[1:]).total > 0:
            return mark
    return None


def _count_title_lines(best: Reading, body: str) -> int:
    """Count the lines before the first record that is as long as most, where the rest are."""
    short = 0
    for row in best.rows[:_TITLE_LINES]:
        # one name less than values is how R writes a header
        if len(row) >= best.width - (best.width > 2):
            break
        short += 1
    rest = best.rows[short:]
    even = sum(len(row) == best.width for row in rest) >= 0.9 * len(rest) if rest else False
    if not short or short == _TITLE_LINES or not even:
        return len(body) - len(body.lstrip("\n")) if body.startswith("\n") else 0
    return body[: body.index(best.raw[short])].count("\n")


def _rows_above(best: Reading, lines: int) -> int:
    """Return how many records stand in the first lines of the text."""
    if not lines:
        return 0
    return next(at for at, row in enumerate(best.rows) if len(row) >= best.width - (best.width > 2))


def _find_nulls(best: Reading) -> tuple[str, ...]:
    """Return the fields that stand for null: \\N, NULL, and others where a column says so."""
    found: list[str] = []
    fields = [field for line in best.raw for field in line.split(best.delimiter)]
    for mark in ("\\N", "NULL"):
        if mark in fields:
            found.append(mark)
    columns = [
        [row[at] or "" for row in best.rows[1:] if len(row) > at] for at in range(best.width)
    ]
    for mark in _NULLS[1:]:
        if mark in fields and any(_is_odd_one(column, mark) for column in columns):
            found.append(mark)
    if found == ["\\N"] and best.escape is not None and best.quote is None:
        return ("\\N",)  # databases write an empty text as nothing
    return ("", *found) if found else ("",)


def _is_odd_one(column: Sequence[str], mark: str) -> bool:
    """Tell whether a mark is the one value of a column that is no number and no date."""
    rest = [value for value in column if value not in (mark, "")]
    return mark in column and len(rest) > 1 and all(is_number(v) or is_date(v) for v in rest)


def _usable_names(names: Fields) -> tuple[str, ...] | None:
    """Return names of which none comes twice; None where that is so already."""
    given = [name or f"column_{at}" for at, name in enumerate(names, 1)]
    if len(set(given)) == len(given):
        return None
    counts: Counter[str] = Counter()
    made = []
    for name in given:
        counts[name] += 1
        made.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return tuple(made) if len(set(made)) == len(made) else None


def _most_common(rows: Sequence[Fields]) -> int:
    """Return the number of fields that most rows have, the larger of equals."""
    counts = Counter(map(len, rows))
    return max(counts, key=lambda width: (counts[width], width), default=1)
