"""The columns that siftset adds to a row, and the codes they hold."""

from __future__ import annotations

from typing import Final

import polars as pl

STATES: Final = ("false", "true", "unknown", "skipped")
"""What a signal said of a row; skipped means that the row was decided without it."""

STATE: Final = pl.Enum(STATES)

OWN_COLUMNS: Final = ("row_id", "split", "signals", "scores", "source", "run_id", "formula")
"""Names that no column of a source may take; a colliding one becomes source_column_<name>."""

SOURCE: Final = pl.Struct({"file": pl.String, "record": pl.Int64})
"""Where a row was read: the file as named in the source and the record's number, from 0."""

SHORT_ID: Final = pl.col("row_id").str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64)
"""The first 64 bits of a row id, which tell rows apart in a tenth of the memory."""

SPLITS: Final = ("train", "validation", "test")

CUT: Final = "label.keep_share"
"""What a row is rejected by, in place of a clause, if the texts nearby contradict its label."""

LEFT_BY: Final = "_left_by"
"""By row, why it is left out of what the formula keeps: a place in LEFT_OUT, 0 where it is not."""

SELECT: Final = "select"
"""What a row is rejected by, in place of a clause, that a selection does not take."""

LEFT_OUT: Final = ("", CUT, SELECT)
"""Why rows are left out that the formula keeps and that repeat no other one."""
