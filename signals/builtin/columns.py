"""Questions about columns other than the text, and a seeded sample."""

from __future__ import annotations

from typing import Final

import polars as pl
from pydantic import Field

from siftset.schemas.recipe.section import Share, label_text
from siftset.signals.family import Build, Parameters, Thresholds, family
from siftset.signals.labels import labels_as_text
from siftset.signals.signal import Signal

_EXACT: Final = 2**53
"""The integer up to which 64-bit floats hold every one."""


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
    min: int | float | None = None
    max: int | float | None = None


@family(
    Number,
    definition=(
        "the column's value as a 64-bit float; min and max are inclusive, NaN is unknown; where "
        "one of them is an integer of 2^53 or more, integers and decimals are compared exactly and "
        "there is no score"
    ),
    examples=[
        ({"column": "stars", "min": 4}, 5.0, True),
        ({"column": "stars", "min": 4}, 1.0, False),
        ({"column": "id", "min": 2**53 + 1}, 2**53, False),
        ({"column": "id", "min": 2**53 + 1}, 2**53 + 1, True),
        ({"column": "stars"}, None, None),
    ],
)
def number(parameters: Number, build: Build) -> Signal:
    """The value of a numeric column."""
    least, most = parameters.min, parameters.max
    if any(isinstance(limit, int) and abs(limit) >= _EXACT for limit in (least, most)):
        # no float would tell such an integer from its neighbours
        build.depends(repr(("exact", least, most)))
        return build.expression(lambda column: _lies_between(column, least, most), accepts="number")
    return build.expression(
        lambda column: column.cast(pl.Float64).fill_nan(None), returns="score", accepts="number"
    )


def _lies_between(column: pl.Expr, least: float | None, most: float | None) -> pl.Expr:
    limits = [column >= _write_limit(least)] if least is not None else []
    limits += [column <= _write_limit(most)] if most is not None else []
    return pl.when(~column.cast(pl.Float64).is_nan()).then(pl.all_horizontal(limits))


def _write_limit(limit: float) -> pl.Expr:
    return pl.lit(limit, pl.Int128 if isinstance(limit, int) else pl.Float64)


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
