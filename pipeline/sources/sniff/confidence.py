"""How sure a guess is."""

from __future__ import annotations

from typing import Final, Literal

Confidence = Literal["certain", "likely", "guess"]
ORDER: Final[tuple[Confidence, ...]] = ("certain", "likely", "guess")


def least_sure(*found: Confidence) -> Confidence:
    """Return the lowest of several."""
    return max(found, key=ORDER.index, default="certain")
