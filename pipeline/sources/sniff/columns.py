"""Which columns of a table hold the text, its label and the id, from their names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from siftset.pipeline.sources.sniff.header import is_date, is_number

TEXTS: Final = frozenset(
    "text texts body content message comment comments review tweet sentence document article post "
    "kommentar texte texto testo abstract answer response output completion description note_text "
    "review_text review_body full_text reviewtext comment_text message_text selftext".split()
)
LABELS: Final = (
    "label", "labels", "sentiment", "stars", "rating", "score", "class", "category",
    "team", "queue", "topic", "priority", "intent", "target", "y", "airline_sentiment", "polarity",
    "emotion", "toxic", "spam", "overall", "grade", "note", "bewertung", "kategorie", "votes",
)  # fmt: skip
_IDS: Final = ("id", "row_id", "uid", "uuid", "key", "guid", "_id", "rowid", "pk")
_SAID: Final = frozenset(
    "positive negative neutral pos neg neu yes no true false spam ham toxic 0 1 2 3 4 5 -1 good "
    "bad positiv negativ accept reject relevant irrelevant joy anger sadness fear "
    "love surprise".split()
)
"""Values that labels often have, folded."""
_MADE_NAME: Final = re.compile(r"column_[0-9]+|[0-9]+")
_OPAQUE: Final = re.compile(r"\S{12,}")
_MOST_LABELS: Final = 20


class ColumnGuess(NamedTuple):
    """The columns that a source maps, and which of them are guesses."""

    text: str
    label: str | None = None
    id: str | None = None
    guessed: tuple[str, ...] = ()


def choose_columns(frame: pl.DataFrame) -> ColumnGuess | None:
    """Tell which columns hold text, label and id; None where none holds text."""
    texts = {
        name: score
        for name in frame.columns
        if frame[name].dtype == pl.String and not _is_id_name(name)
        if (score := _text_score(name, _values(frame, name))) > 0
    }
    if not texts:
        return None
    text = max(texts, key=lambda name: texts[name])
    identifier = find_id(frame, text)
    label, is_sure = _find_label(frame, {text, identifier or text})
    return ColumnGuess(text, label, identifier, ("label",) if label and not is_sure else ())


def find_id(frame: pl.DataFrame, text: str) -> str | None:
    """Return the column that names each record; where columns have no names, the first may."""
    for at, name in enumerate(frame.columns):
        is_named = _is_id_name(name)
        is_first = at == 0 and _MADE_NAME.fullmatch(name) is not None
        if name == text or not (is_named or is_first) or frame[name].null_count():
            continue
        unique = frame[name].n_unique() == frame.height
        if unique and (is_named or all(v.isdecimal() for v in _values(frame, name))):
            return name
        if is_named:
            return None
    return None


def _is_id_name(name: str) -> bool:
    return name.lower() in _IDS or name.lower().endswith(("_id", "-id"))


def _text_score(name: str, values: Sequence[str]) -> float:
    """Tell how much a column looks like what people write; 0 where it does not."""
    if not values:
        return 0.0
    sample = values[:200]
    opaque = sum(
        is_number(v) or is_date(v) or v[:1] in "[{" or _OPAQUE.fullmatch(v.strip()) is not None
        for v in sample
    )
    if opaque > 0.9 * len(sample):
        return 0.0
    words = sum(" " in v.strip() for v in sample) / len(sample)
    length = sum(map(len, sample)) / len(sample)
    known = 8.0 if name.lower() in TEXTS else 1.0
    return length * (0.1 + words) * known * (1 - opaque / len(sample))


def _find_label(frame: pl.DataFrame, taken: set[str]) -> tuple[str | None, bool]:
    """Return the column of labels, and whether its name says so."""
    few = {}
    for name in frame.columns:
        values = _values(frame, name)
        kinds = set(values)
        if name not in taken and 1 < len(kinds) <= _MOST_LABELS:
            few[name] = (kinds, len(values))
    named = sorted((n for n in few if n.lower() in LABELS), key=lambda n: LABELS.index(n.lower()))
    if named:
        return named[0], True
    said = [
        name
        for name, (kinds, _) in few.items()
        if {kind.lower() for kind in kinds} <= _SAID and not name.lower().endswith("id")
    ]
    made = [
        name
        for name, (kinds, given) in few.items()
        if _MADE_NAME.fullmatch(name) and given >= 2 * len(kinds)
    ]
    found = [*said, *made]
    return (found[0], False) if found else (None, False)


def _values(frame: pl.DataFrame, name: str) -> list[str]:
    column = frame[name]
    if column.dtype.is_nested():
        return []
    texts = column.cast(pl.String, strict=False).drop_nulls()
    return [text for text in texts.to_list() if text.strip()]
