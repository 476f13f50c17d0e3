"""How long a proof may take, and how long what it trains does."""

from __future__ import annotations

import time
from collections.abc import Callable


class BudgetSpentError(Exception):
    """What comes next would take longer than the minutes that are left."""


class Budget:
    """Minutes, and the seconds that training takes by number of rows."""

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began = clock()
        self._end = None if minutes is None else self.began + 60 * minutes
        self._last: tuple[int, float] | None = None

    @property
    def seconds_left(self) -> float | None:
        """Seconds that are left, None where there is no end."""
        return None if self._end is None else self._end - self._clock()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._clock() - self.began

    def time_training(self, rows: int, train: Callable[[], None]) -> None:
        """Train on so many rows; raise BudgetSpentError instead where that would take too long.

        Time is taken to grow with the rows from the last training on.
        """
        left = self.seconds_left
        if left is not None and left < self.expect_seconds(rows):
            raise BudgetSpentError
        began = self._clock()
        train()
        self._last = rows, self._clock() - began

    def expect_seconds(self, rows: int) -> float:
        """Return the seconds that a training is expected to take; 0 where none is known."""
        if self._last is None:
            return 0.0
        before, seconds = self._last
        return seconds * max(1.0, rows / max(1, before))
