"""The seam to a store of scores: what was scored once is not scored again.

Scores are known by the signal's `score_fingerprint` and the content of the row, so that a changed
threshold or formula asks nothing again, and a changed function, list, parameter or model all rows.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import Codes, Scores
from siftset.signals.evaluation.spec import SignalSpec

_PHYSICAL = (pl.Date, pl.Time, pl.Datetime, pl.Duration)
_TEXTUAL = (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)


class RowKeys(NamedTuple):
    """The content of rows as 96 bits each."""

    key: NDArray[np.uint64]
    check: NDArray[np.uint32]


class Recalled(NamedTuple):
    """Which of the rows are known, and the answers of those, in order."""

    known: NDArray[np.bool_]
    answers: Codes | Scores


class Shelf(Protocol):
    """The stored answers of one signal; shared by threads."""

    @property
    def pays(self) -> bool:
        """Whether looking an answer up is expected to be cheaper than the body."""

    def find(self, keys: RowKeys) -> Recalled:
        """Look rows up."""

    def ran(self, rows: int, seconds: float) -> bool:
        """Take what the body cost; say whether its answers are worth storing."""

    def add(self, keys: RowKeys, answers: Codes | Scores) -> None:
        """Store answers; rows on which the body raised are not among them."""


class ScoreCache(Protocol):
    """Stored answers of signals."""

    def shelf(self, signal: SignalSpec) -> Shelf | None:
        """The shelf of a signal; None for one that is never stored."""

    def close(self) -> tuple[str, ...]:
        """Write what is new; give warnings of what went wrong, none of which changed an answer."""


def content_keys(frame: pl.DataFrame) -> RowKeys | None:
    """Hash the content of every row; None where a column has a type without a canonical text."""
    for dtype in frame.dtypes:
        if not (dtype.is_numeric() or dtype in _TEXTUAL or isinstance(dtype, _PHYSICAL)):
            return None
    only = frame.columns[0] if frame.width == 1 and frame.dtypes[0] == pl.String else None
    # else the row as one text from which its values and their types could be read back
    cells = []
    for name, dtype in frame.schema.items() if only is None else ():
        plain = pl.col(name).cast(pl.Int64) if isinstance(dtype, _PHYSICAL) else pl.col(name)
        value = plain.cast(pl.String)
        cell = pl.format("{}:{}", value.str.len_bytes(), value).fill_null("~")
        cells += [pl.lit(f"{dtype}="), cell]
    text = pl.col(only) if only is not None else pl.concat_str(cells, separator=";")
    import polars_hash as plh

    hashes = frame.select(text.alias("row")).select(
        key=plh.col("row").nchash.xxh3_64().fill_null(0),
        check=(plh.col("row").nchash.wyhash().fill_null(0) & 0xFFFFFFFF).cast(pl.UInt32),
    )
    return RowKeys(hashes["key"].to_numpy(), hashes["check"].to_numpy())
