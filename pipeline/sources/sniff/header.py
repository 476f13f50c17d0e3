"""Whether line 1 of delimited text names the columns: votes of its cells, each with a reason.

A name stands above values of another kind; a record is one more value of every column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

Fields = Sequence[str | None]

KNOWN: Final = frozenset(
    "id row_id uid uuid key index text body content message comment review tweet sentence title "
    "subject summary description question answer prompt response completion instruction input "
    "output label labels sentiment stars rating score class category target topic tag tags name "
    "user author date time timestamp created_at url link lang language source status type email "
    "price brand product city country year value kommentar datum texte texto testo".split()
)
"""Names that columns often have, folded."""
_NUMBER: Final = re.compile(
    r"[-+]?(?:[0-9]{1,3}(?:[.,' ][0-9]{3})+|[0-9]+)?(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]+)?%?"
)
_DATE: Final = re.compile(
    r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}(?:[T ][0-9:.,+Z -]*)?"
    r"|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}.*"
)
_NAME: Final = re.compile(r"[^\W\d][\w .:/()%#&+*@?!'\u2019\[\]-]{0,59}")
_MOST_WORDS: Final = 8


class Vote(NamedTuple):
    """What one cell of line 1 says: above 0 for a header."""

    weight: int
    reason: str
    short: str = ""
    """The reason in a few words, where it has others."""


class HeaderVotes(NamedTuple):
    """What all cells of line 1 say."""

    votes: tuple[Vote, ...]

    @property
    def total(self) -> int:
        """Above 0 for a header, below it for a record; 0 says nothing."""
        return sum(vote.weight for vote in self.votes)

    @property
    def is_header(self) -> bool:
        """Whether line 1 is taken for a header."""
        return self.total >= 0

    @property
    def is_likely(self) -> bool:
        """Whether the votes say so by more than chance."""
        return abs(self.total) >= 3

    def reasons(self, *, most: int = 2) -> tuple[str, ...]:
        """Return the strongest reasons of different kinds on the side that won."""
        won = [vote for vote in self.votes if (vote.weight > 0) == self.is_header and vote.weight]
        kinds: dict[int, str] = {}
        for vote in won:
            kinds.setdefault(vote.weight, vote.reason)
        return tuple(kinds.values())[:most]


def count_header_votes(first: Fields, rows: Sequence[Fields]) -> HeaderVotes:
    """Ask every cell of line 1 whether it names its column, of which `rows` hold values."""
    if _counts_up(first):
        reason = "line 1 counts the columns, as pandas names them"
        return HeaderVotes((Vote(3, reason),))
    columns = [[row[at] for row in rows if at < len(row)] for at in range(len(first))]
    names = sum((cell or "").strip().lower() in KNOWN for cell in first)
    repeated = names > 0 and any(list(row) == list(first) for row in rows)
    years = {at for at in range(len(first)) if _follows(first[max(0, at - 1) : at + 2], min(at, 1))}
    votes: list[Vote] = []
    for at, (cell, values) in enumerate(zip(first, columns, strict=True)):
        given = [value for value in values if value not in (None, "")]
        if cell not in (None, "") and given:
            votes += _ask_cell(str(cell), at, [str(v) for v in given], at in years, repeated)
    return HeaderVotes(tuple(votes))


def _ask_cell(
    cell: str, at: int, values: Sequence[str], counts: bool, repeated: bool
) -> Iterator[Vote]:
    if cell.strip().lower() in KNOWN:
        yield Vote(3, f"'{_cut(cell)}' is a name that columns have")
    kinds: dict[str, Callable[[str], bool]] = {"numbers": is_number, "dates": is_date}
    kind = next((k for k, of in kinds.items() if _most(of(value) for value in values)), None)
    if kind is not None and counts:
        yield Vote(1, f"'{_cut(cell)}' counts on from the name beside it")
    elif kind is not None and kinds[kind](cell):
        reason = f"line 1 holds '{_cut(cell)}' where the column holds {kind}"
        yield Vote(-2, reason, f"'{_cut(cell)}' in a column of {kind}")
    elif kind is not None:
        yield Vote(2, f"'{_cut(cell)}' stands above {kind}")
    elif cell in values and not repeated:
        yield Vote(-3, f"'{_cut(cell)}' is a value of column {at + 1} too")
    if kind is None:
        mean = sum(map(len, values)) / len(values)
        if not _NAME.fullmatch(cell.strip()) or len(cell.split()) > _MOST_WORDS:
            yield Vote(-1, f"'{_cut(cell)}' is no name")
        elif len(cell) * 3 < mean:
            yield Vote(1, f"'{_cut(cell)}' is much shorter than the texts below it")


def is_number(text: str) -> bool:
    """Tell whether people or programs would write a number like this."""
    bare = text.strip()
    return any(c.isdigit() for c in bare) and _NUMBER.fullmatch(bare) is not None


def is_date(text: str) -> bool:
    """Tell whether a text begins as a date or a time of a day does."""
    return _DATE.fullmatch(text.strip()) is not None


def _most(found: Iterator[bool]) -> bool:
    every = list(found)
    return sum(every) >= 0.9 * len(every)


def _counts_up(first: Fields) -> bool:
    """Tell whether line 1 is 0, 1, 2, ..., maybe after the empty name of an index."""
    cells = list(first[1:] if len(first) > 1 and first[0] in (None, "") else first)
    return len(cells) > 1 and cells == [str(at) for at in range(len(cells))]


def _follows(near: Fields, at: int) -> bool:
    """Tell whether a cell is a year one away from a neighbour, as columns of years are."""
    cells = [cell or "" for cell in near]
    beside = cells[:at] + cells[at + 1 :]
    is_year = re.fullmatch(r"(?:1[89]|20)[0-9]{2}", cells[at]) is not None
    return is_year and any(b.isdecimal() and abs(int(b) - int(cells[at])) == 1 for b in beside)


def _cut(text: str, width: int = 30) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
