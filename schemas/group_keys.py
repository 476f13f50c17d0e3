"""What rows of one group share, where a group is made of several columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def join_group(parts: Sequence[pl.Expr]) -> pl.Expr | None:
    """Return one text of the columns of a group, each a text already; None without any.

    Of several columns some may be null, but not all: then the row has no group.
    """
    if len(parts) < 2:
        return parts[0] if parts else None
    whole = pl.concat_str([part.fill_null("\0") for part in parts], separator="\x1f")
    return pl.when(pl.any_horizontal([part.is_not_null() for part in parts])).then(whole)
