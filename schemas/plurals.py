"""Counts in words: the noun agrees with its number wherever a person reads both."""

from __future__ import annotations

from typing import Final

_SINGULAR_VERBS: Final = {"are": "is", "have": "has", "were": "was", "do": "does"}


def format_count(number: float, noun: str) -> str:
    """Return the rounded number with thousands separated and its noun: `1 row`, `2,000 rows`."""
    whole = round(number)
    return f"{whole:,} {noun if whole == 1 else form_plural(noun)}"


def form_plural(noun: str) -> str:
    """Return the plural of an English noun, or of the last word of a phrase such as `empty row`."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def conjugate(number: float, verb: str) -> str:
    """Return the form of a verb that agrees with a number: `is` or `are`, `repeats` or `repeat`."""
    if round(number) != 1:
        return verb
    return _SINGULAR_VERBS.get(verb) or form_plural(verb)
