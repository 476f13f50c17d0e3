"""Answers that are safe to hand to a language model: short, and without hidden characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

TEXT: Final = 600
"""Characters that are left of one text."""
ENTRIES: Final = 60
"""Entries that are left of one list or object."""
TOTAL: Final = 60_000
"""Characters that are left of all texts of an answer together."""


def make_inert(answer: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return an answer with its texts cut and every character that does not show escaped.

    Texts are somebody's data: control characters, direction marks and zero-width characters, which
    could hide words from the person who reads along, become visible escapes.
    """
    return _Cutter().cut_object(answer)


def escape_text(text: str) -> str:
    """Return a text in which a character that does not show stands as its escape."""
    return "".join(one if one.isprintable() else _escape(ord(one)) for one in text)


def _escape(code: int) -> str:
    if code == 0x0A:
        return "\\n"
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
    )


class _Cutter:
    """Cuts an answer while counting what is left for the texts that follow."""

    def __init__(self) -> None:
        self._left = TOTAL

    def cut_object(self, value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return an object with its first entries, and how many were left out."""
        kept: dict[str, JsonValue] = {}
        for key, one in value.items():
            if len(kept) == ENTRIES or self._left <= 0:
                return {**kept, "(left out)": len(value) - len(kept)}
            name = escape_text(key[:TEXT])
            self._left -= len(name)
            kept[name] = self._any(one)
        return kept

    def _any(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self.cut_object(value)
        if isinstance(value, list):
            return self._cut_list(value)
        self._left -= 1
        return value

    def _cut_list(self, values: Sequence[JsonValue]) -> list[JsonValue]:
        kept: list[JsonValue] = []
        for one in values:
            if len(kept) == ENTRIES or self._left <= 0:
                return [*kept, f"(and {len(values) - len(kept):,} more)"]
            kept.append(self._any(one))
        return kept

    def _text(self, text: str) -> str:
        most = min(TEXT, self._left)
        self._left -= min(most, len(text))
        return escape_text(text[:most]) + ("…" if len(text) > most else "")
