"""Questions about columns other than the text, and a seeded sample."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from siftset.schemas.recipe.section import Share, label_text
from siftset.signals.family import Build, Parameters, Thresholds, family
from siftset.signals.labels import labels_as_text
from siftset.signals.signal import Signal


class OneOf(Parameters):
    """Parameters of `label`."""

    column: str = Field("label", description="The column that is read.")
    one_of: tuple[str | int | float | bool, ...] = Field(min_length=1)


@family(
    OneOf,
    positional="one_of",
    unordered=("one_of",),
    definition="SQL's IN; labels are compared as text, 1 as 1.0 and true as 'TRUE'",
    examples=[
        ({"one_of": ["positive"]}, "positive", True),
        ({"one_of": ["positive"]}, "negative", False),
        ({"one_of": ["positive"]}, None, None),
        ({"one_of": [1]}, 1.0, True),
        ({"one_of": [True]}, "TRUE", True),
    ],
)
def label(parameters: OneOf, build: Build) -> Signal:
    """Whether a column holds one of the values."""
    wanted = [label_text(value) for value in parameters.one_of]
    return build.expression(lambda column: labels_as_text(column).is_in(wanted), accepts="any")


class Number(Thresholds):
    """Parameters of `number`."""

    column: str = Field(description="The numeric column that is read.")


@family(
    Number,
    definition=(
        "the column's value as a 64-bit float, to which integers beyond 2^53 are rounded; min and "
        "max are inclusive, NaN is unknown"
    ),
    examples=[
        ({"column": "stars", "min": 4}, 5.0, True),
        ({"column": "stars", "min": 4}, 1.0, False),
        ({"column": "stars"}, None, None),
    ],
)
def number(parameters: Number, build: Build) -> Signal:
    """The value of a numeric column."""
    return build.expression(
        lambda column: column.cast(pl.Float64).fill_nan(None), returns="score", accepts="number"
    )


class SampleParameters(Parameters):
    """Parameters of `sample`."""

    share: Share = Field(description="Share of distinct values that is true.")
    seed: int = Field(0, ge=0)


@family(
    SampleParameters,
    definition="XXH3-64 of seed and value, as a fraction of 2^64, below the share",
    examples=[
        ({"share": 1}, "any text", True),
        ({"share": 0}, "any text", False),
        ({"share": 1}, None, None),
    ],
)
def sample(parameters: SampleParameters, build: Build) -> Signal:
    """Whether a row falls into a seeded sample; equal values fall alike."""
    import polars_hash as plh

    def falls_in_sample(column: pl.Expr) -> pl.Expr:
        keyed = plh.concat_str(pl.lit(f"{parameters.seed}:"), column.cast(pl.String))
        return keyed.nchash.xxh3_64() / 2.0**64 < parameters.share

    return build.expression(falls_in_sample, accepts="any")
