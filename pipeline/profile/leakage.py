"""Leakage: rows of one split that another split, or a held-out file, holds too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final, Literal

import polars as pl
import polars_hash as plh

from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Example, Leak

NGRAM: Final = 13
"""Words in a row that make a contamination (Brown et al. 2020, appendix C)."""

_SHOWN: Final = 5
_CUT: Final = 160
Kind = Literal["exact", "normalised", "near", "n-gram"]


def exact_key(text: pl.Expr) -> pl.Expr:
    """Return the text after NFC and white-space folding."""
    return text.str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars(" ")


def normalised_key(text: pl.Expr) -> pl.Expr:
    """Return the text without case, punctuation and spacing."""
    folded = text.str.normalize("NFKC").str.to_lowercase()
    return folded.str.replace_all(r"[^\w]+", " ").str.strip_chars(" ")


def split_leaks(rows: pl.LazyFrame, *, text: str = "text") -> tuple[Leak, ...]:
    """Return the leaks between the splits of a set with columns row_id, split and `text`."""
    sides = {
        split: rows.filter(pl.col("split").cast(pl.String) == split).select("row_id", text=text)
        for split in SPLITS
    }
    sizes = {split: _count_rows(side) for split, side in sides.items()}
    filled = [split for split in SPLITS if sizes[split]]
    return tuple(
        leak
        for right, left in combinations(filled, 2)
        for leak in _key_leaks(sides[left], sides[right], (left, right), sizes[left])
    )


def held_out_leaks(
    rows: pl.LazyFrame, held_out: pl.LazyFrame, *, name: str, text: str = "text"
) -> tuple[Leak, ...]:
    """Return how many held-out texts the set holds: exact, normalised and by 13 words in a row.

    `rows` and `held_out` have a column `text`, and `rows` a column row_id.
    """
    left = held_out.with_row_index("row_id").select(
        pl.col("row_id").cast(pl.String), text=pl.col(text)
    )
    right = rows.select("row_id", text=text)
    size = _count_rows(left)
    wanted = _hash_ngrams(left)
    seen = _hash_ngrams(right).select("gram").unique()
    ids = wanted.join(seen, on="gram", how="semi").select("row_id").unique()
    found = left.join(ids, on="row_id", how="semi")
    return (
        *_key_leaks(left, right, (name, "the set"), size),
        _describe_leak(found, "n-gram", (name, "the set"), size),
    )


def _key_leaks(
    left: pl.LazyFrame, right: pl.LazyFrame, names: tuple[str, str], size: int
) -> Iterator[Leak]:
    # 128-bit hashes keep the texts out of memory; two of a billion meet with odds below 1e-20.
    keys: Mapping[Kind, pl.Expr] = {
        "exact": plh.concat_str(exact_key(pl.col("text"))).nchash.xxh3_128(),
        "normalised": plh.concat_str(normalised_key(pl.col("text"))).nchash.xxh3_128(),
    }
    for kind, key in keys.items():
        seen = right.select(_key=key).drop_nulls().unique()
        found = left.with_columns(_key=key).drop_nulls("_key").join(seen, on="_key", how="semi")
        yield _describe_leak(found, kind, names, size)


def _describe_leak(found: pl.LazyFrame, kind: Kind, names: tuple[str, str], size: int) -> Leak:
    count, shown = pl.collect_all(
        [found.select(pl.len()), found.select("row_id", "text").head(_SHOWN)], engine="streaming"
    )
    examples = [
        Example(row_id=row_id, value=text[:_CUT]) for row_id, text in shown.iter_rows() if text
    ]
    notes = {"n-gram": f"{NGRAM} words in a row", "normalised": "without case and punctuation"}
    return Leak(
        kind=kind,
        left=names[0],
        right=names[1],
        rows=int(count.item()),
        of=size,
        note=notes.get(kind, ""),
        examples=tuple(examples),
    )


def _hash_ngrams(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return row_id and the hash of every run of 13 words."""
    split = normalised_key(pl.col("text")).str.split(" ")
    words = (
        rows.select("row_id", word=split)
        .filter(pl.col("word").list.len() >= NGRAM)
        .explode("word")
        .with_columns(pl.col("word").hash(0))
    )
    # A run of 13 words lies in one row when its first and its last word do.
    whole = pl.col("row_id") == pl.col("row_id").shift(1 - NGRAM)
    run = pl.struct([pl.col("word").shift(-i).alias(f"w{i}") for i in range(NGRAM)])
    return words.select("row_id", gram=run.hash(0), whole=whole).filter("whole").drop("whole")


def _count_rows(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())
