"""What became of the conversations of a split on their way to tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(slots=True)
class ChatCounts:
    """What became of the conversations of a split."""

    ways: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    shortened: int = 0
    chats: int = 0
    answers: int = 0
    sequences: int = 0
    edges: int = 0
    endless: int = 0
    """Texts whose answers no special token ends."""
    preferences: int = 0
    """Rows that have a rejected answer beside the one that is learned."""
    tokens: int = 0
    plain_tokens: int = 0
    """Tokens where each conversation were written once."""
    stops: Counter[int] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON has them."""
        plain = {name: getattr(self, name) for name in _NUMBERS}
        counted = {name: dict(getattr(self, name)) for name in ("ways", "left_out")}
        return {**plain, **counted, "stops": [[token, n] for token, n in self.stops.items()]}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> ChatCounts:
        """Return the counts that were written as JSON."""
        found = cls(**{name: read[name] for name in _NUMBERS})
        found.ways, found.left_out = Counter(read["ways"]), Counter(read["left_out"])
        found.stops = Counter({int(token): n for token, n in read["stops"]})
        return found


_NUMBERS: Final = (
    "shortened", "chats", "answers", "sequences", "edges", "endless", "preferences", "tokens",
    "plain_tokens",
)  # fmt: skip
