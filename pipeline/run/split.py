"""The split of a row: a pure function of the seed and of what the text says."""

from __future__ import annotations

from typing import Final

import polars as pl
import polars_hash as plh

from siftset.pipeline.run.text_normalisation import bare_text
from siftset.schemas.conversations import COLUMN, MESSAGES, view
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.integrity import Split
from siftset.schemas.results.columns import OWN_COLUMNS, SPLITS

_ALIASES: Final = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(("val", "valid", "dev", "eval"), "validation"),
}


def split_expr(split: Split, seed: int, schema: pl.Schema) -> pl.Expr:
    """Return the expression of the column `split`: from the official column, else by hash.

    The hash is of the text, and of a conversation of what the user said: two answers to one
    question are on one side. A row without either is split by its row_id. Raises SourceError where
    the column is missing.
    """
    if split.column is not None:
        stored = f"source_column_{split.column}" if split.column in OWN_COLUMNS else split.column
        if stored not in schema:
            raise SourceError(
                f"split.column: the source has no column '{split.column}', expected one of: "
                + ", ".join(schema)
            )
        return pl.col(stored).cast(pl.String).alias("split")
    subject = [bare_text(pl.col("text")), pl.col("row_id")]
    if schema.get(COLUMN) == MESSAGES:
        subject.insert(0, bare_text(view("user")))
    inner = plh.concat_str(pl.coalesce(subject)).nchash.xxh3_64()
    seeded = plh.concat_str(pl.lit(f"{seed}:"), inner.cast(pl.String)).nchash.xxh3_64()
    point = (seeded // 2**11).cast(pl.Float64) / 2**53
    shares = {"train": split.train, "validation": split.validation, "test": split.test}
    given = [name for name in SPLITS if shares[name] > 0]
    edge, result = 0.0, pl.lit(given[-1])
    branches: list[tuple[float, str]] = []
    for name in given[:-1]:
        edge += shares[name]
        branches.append((edge, name))
    for limit, name in reversed(branches):
        result = pl.when(point < limit).then(pl.lit(name)).otherwise(result)
    return result.alias("split")


def check_official(found: pl.Series) -> pl.Series:
    """Return the official split in our names; raises SourceError for another value."""
    folded = found.str.strip_chars().str.to_lowercase()
    mapped = folded.replace_strict(_ALIASES, default=None, return_dtype=pl.String)
    if mapped.null_count():
        strange = found.filter(mapped.is_null())[0]
        raise SourceError(
            f"split column holds {strange!r}: expected train, validation or test in every row"
        )
    return mapped
