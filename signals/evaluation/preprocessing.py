"""What preprocessors gave, for the rows that needed it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from siftset.signals.evaluation.bodies import Rows, Values


class Steps:
    """What a preprocessor gave for the rows that needed it."""

    def __init__(self, size: int) -> None:
        self.position = np.full(size, -1, np.int64)
        self.parts: list[Values] = []
        self.raised: dict[int, Exception] = {}
        self.filled = 0

    def add(self, rows: Rows, values: Values, raised: Mapping[int, Exception]) -> None:
        """Keep the values of rows."""
        self.position[rows] = np.arange(self.filled, self.filled + rows.size)
        self.filled += rows.size
        self.raised.update({int(rows[position]): error for position, error in raised.items()})
        if self.parts and isinstance(values, pl.Series) and isinstance(self.parts[0], pl.Series):
            values = values.cast(self.parts[0].dtype)
        self.parts.append(values)

    def gather(self, rows: Rows | None) -> Values:
        """Give the values of rows, in their order."""
        where = self.position if rows is None else self.position[rows]
        series = [part for part in self.parts if isinstance(part, pl.Series)]
        if series:
            return pl.concat(series).gather(where)
        flat = [value for part in self.parts for value in part]
        return [flat[position] for position in where.tolist()]
