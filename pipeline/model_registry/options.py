"""How a model is trained, as opposed to on what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train, as opposed to what."""

    version: int | None = None
    resume: bool = True
    """Resume a stopped run, and do nothing where one is done; False trains from the start."""
    again: bool = False
    """Train although a result is there; with `resume`, go on where that was stopped."""
    fetch: bool = False
    """Fetch the embedded model if it is needed and not there."""
    lock_timeout: float = 0.0
