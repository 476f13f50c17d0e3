"""Signals of your own. Check them with  siftset signals test signals_mine.py"""

import polars as pl

from siftset import signal


@signal(
    examples=[
        ("Out of office: back on Monday", True),
        ("My parcel is out for delivery", False),
        (None, None),
    ]
)
def automatic(text: pl.Expr) -> pl.Expr:
    """An answer that a program wrote."""
    return text.str.contains(r"(?i)^\s*(out of office|this is an automatic)")
