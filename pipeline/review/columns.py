"""Columns of few values as codes: what facets count and filters compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

MOST_VALUES: Final = 500
"""Values of a column that are told apart; the rarer ones are one."""
REST: Final = "(others)"

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """A column as numbers: row k holds `values[codes[k]]`; the last code is that of null."""

    values: tuple[str, ...]
    codes: NDArray[np.uint16]

    def mask(self, wanted: Iterable[str | None]) -> Mask:
        """Mark the rows that hold one of the wanted values; None stands for null."""
        known = {value: code for code, value in enumerate(self.values)}
        chosen = np.zeros(len(self.values) + 1, bool)
        for value in wanted:
            code = len(self.values) if value is None else known.get(value)
            if code is not None:
                chosen[code] = True
        return chosen[self.codes]

    def count(self, rows: Mask | None) -> list[tuple[str | None, int]]:
        """Count each value among the rows, the commonest first; null last."""
        codes = self.codes if rows is None else self.codes[rows]
        counts = np.bincount(codes, minlength=len(self.values) + 1).tolist()
        found = [(value, rows) for value, rows in zip(self.values, counts, strict=False) if rows]
        found.sort(key=lambda pair: -pair[1])
        return [*found, (None, counts[-1])] if counts[-1] else list(found)


def encode_column(values: pl.Series) -> CodedColumn:
    """Number the values of a column, the commonest first."""
    texts = values.cast(pl.String).alias("value").to_frame()
    counts = (
        texts.drop_nulls().group_by("value").len().sort("len", "value", descending=[True, False])
    )
    names = counts["value"].head(MOST_VALUES).to_list()
    if counts.height > MOST_VALUES:
        names.append(REST)
    known = (
        counts.select("value")
        .with_row_index("code")
        .with_columns(pl.col("code").clip(upper_bound=MOST_VALUES))
    )
    codes = texts.join(known, on="value", how="left", maintain_order="left")["code"]
    held = codes.fill_null(len(names)).to_numpy().astype(np.uint16)
    return CodedColumn(tuple(names), held)
