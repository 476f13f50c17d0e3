"""Signals of your own. Check them with  siftset signals test signals_mine.py"""

import polars as pl

from siftset import signal


@signal(examples=[("RT @ann: so good", True), ("art @home", False), ("", False), (None, None)])
def retweet(text: pl.Expr) -> pl.Expr:
    """Somebody else's words passed on."""
    return text.str.contains(r"^RT @\w+")
