"""What exact duplicates are equal in, as a hash of 128 bits.

The odds that any two of a billion differing texts meet are below 1e-20.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl
import polars_hash as plh

from siftset.pipeline.sources.row_ids import canonical_text
from siftset.schemas.conversations import COLUMN, MESSAGES, turns_text
from siftset.schemas.errors import RecipeError, name_some
from siftset.signals.words.text_normalisation import same_text

TEXT_KEY: Final = "_text_key"


def text_key(text: pl.Expr | None = None) -> pl.Expr:
    """Return the 128-bit hash that equal texts share, after NFC and white-space folding."""
    folded = same_text(pl.col("text") if text is None else text)
    return plh.concat_str(folded).nchash.xxh3_128().alias(TEXT_KEY)


def content_key(on: str | Sequence[str] | None, schema: pl.Schema) -> pl.Expr:
    """Return the hash that exact duplicates share, by what a recipe compares.

    Of conversations that is who said what: the system, tool calls and weights do not count. Raises
    RecipeError for a column that is not there.
    """
    has_turns = schema.get(COLUMN) == MESSAGES
    if on == "messages" and not has_turns:
        raise RecipeError(
            "dedupe.on: messages  and the source makes no conversations: name their column as "
            "'messages' in the source, or set another one"
        )
    if on == "messages" or (on is None and has_turns):
        return text_key(turns_text())
    if on is None or isinstance(on, str):
        return text_key()
    for name in on:
        if name not in schema:
            raise RecipeError(
                f"dedupe.on: the data has no column '{name}': columns are {name_some(schema)}"
            )
    texts = [_comparable_text(name, schema[name]).fill_null("") for name in on]
    some = pl.any_horizontal([pl.col(name).is_not_null() for name in on])
    return text_key(pl.when(some).then(pl.concat_str(texts, separator="\x1f")))


def _comparable_text(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return pl.col(name).str.strip_chars()
    return pl.col(name).map_batches(canonical_text, return_dtype=pl.String)
