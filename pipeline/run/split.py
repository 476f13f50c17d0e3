"""The split of a row: a pure function of the seed and of what the text says."""

from __future__ import annotations

from typing import Final

import polars as pl
import polars_hash as plh

from siftset.pipeline.run.frozen_split import GROUPED, POINT, STRATUM
from siftset.pipeline.sources.row_ids import canonical_text
from siftset.schemas.conversations import COLUMN, MESSAGES, find_column, view
from siftset.schemas.errors import SourceError, name_some
from siftset.schemas.group_keys import join_group
from siftset.schemas.recipe.integrity import Split
from siftset.schemas.results.columns import OWN_COLUMNS, SPLITS
from siftset.signals.words.text_normalisation import bare_text

_ALIASES: Final = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(("val", "valid", "dev", "eval"), "validation"),
}


def split_expr(split: Split, seed: int, schema: pl.Schema) -> pl.Expr:
    """Return the expression of the column `split`: from the official column, else by hash.

    The hash is of the group; of the text where none is named, and of a conversation of what the
    user said: two answers to one question are on one side. A row without either is split by its
    row_id. Raises SourceError where a column is missing.
    """
    if split.column is not None:
        stored = f"source_column_{split.column}" if split.column in OWN_COLUMNS else split.column
        official = find_column(stored, schema)
        if official is None:
            raise SourceError(
                f"split.column: the source has no column '{split.column}', expected one of: "
                + name_some(schema)
            )
        return official.cast(pl.String).alias("split")
    point = split_point(split, seed, schema)
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


def split_point(split: Split, seed: int, schema: pl.Schema) -> pl.Expr:
    """Return where each row lies between 0 and 1: a pure function of the seed and of its group.

    Without a group, and for rows whose group is null, what the row says is its group. Raises
    SourceError where a column of the group is missing.
    """
    subject = [bare_text(pl.col("text")), pl.col("row_id")]
    if schema.get(COLUMN) == MESSAGES:
        subject.insert(0, bare_text(view("user")))
    inner = plh.concat_str(pl.coalesce(subject)).nchash.xxh3_64()
    seeded = plh.concat_str(pl.lit(f"{seed}:"), inner.cast(pl.String)).nchash.xxh3_64()
    group = group_text(split, schema)
    if group is not None:
        grouped = plh.concat_str(pl.lit(f"{seed}:g:"), group).nchash.xxh3_64()
        seeded = pl.when(group.is_not_null()).then(grouped).otherwise(seeded)
    return (seeded // 2**11).cast(pl.Float64) / 2**53


def stratum_columns(split: Split, seed: int, schema: pl.Schema) -> tuple[pl.Expr, ...]:
    """Return what a stratified split needs of every row; nothing for another one.

    Raises SourceError where the column of the strata is missing.
    """
    if split.stratify is None:
        return ()
    text = class_text(split.stratify, schema, "split.stratify")
    group = group_text(split, schema)
    return (
        split_point(split, seed, schema).alias(POINT),
        text.alias(STRATUM),
        (pl.lit(False) if group is None else group.is_not_null()).alias(GROUPED),
    )


def class_text(name: str, schema: pl.Schema, key: str) -> pl.Expr:
    """Return the values of a column, or of a path into one, as text.

    `key` is where the recipe names it. Raises SourceError where it is missing.
    """
    stored = f"source_column_{name}" if name in OWN_COLUMNS else name
    value = find_column(stored, schema)
    if value is None:
        raise SourceError(
            f"{key}: the source has no column '{name}', expected one of, or a path into: "
            + name_some(schema)
        )
    return value.map_batches(canonical_text, return_dtype=pl.String, is_elementwise=True)


def group_text(split: Split, schema: pl.Schema) -> pl.Expr | None:
    """Return what rows of one group share, as text; null for rows without one, None without a name.

    It does not depend on the types that columns happened to get. Of several columns some may be
    null, but not all. Raises SourceError where a column is missing.
    """
    parts: list[pl.Expr] = []
    for name in split.groups:
        stored = f"source_column_{name}" if name in OWN_COLUMNS else name
        value = find_column(stored, schema)
        if value is None:
            raise SourceError(
                f"split.group: the source has no column '{name}', expected one of, or a path into: "
                + name_some(schema)
            )
        parts.append(value.map_batches(canonical_text, return_dtype=pl.String, is_elementwise=True))
    return join_group(parts)


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
