"""What integrity means: rules for rows, a suite and thresholds for the set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from siftset.schemas.recipe.section import Identifier, Label, Section, Share

Action = Literal["quarantine", "warn", "block"]
"""What happens to a row that fails: set aside, counted only, or nothing is published at all."""


RuleName = Literal[
    "not_null", "not_blank", "min_chars", "max_chars", "encoding", "matches", "one_of", "min", "max"
]
"""A rule of RowRules by its key."""


class RowRules(Section):
    """Rules for one column; a row that fails any of them is quarantined, with its reasons."""

    not_null: bool = False
    not_blank: bool = Field(False, description="Not empty and not only white space.")
    min_chars: NonNegativeInt | None = None
    max_chars: PositiveInt | None = None
    encoding: bool = Field(
        False, description="No U+FFFD, no control characters but tab and line ends."
    )
    matches: str | None = Field(None, description="A regular expression found in every value.")
    one_of: tuple[Label, ...] | None = Field(None, description="The only values allowed.")
    min: float | None = None
    max: float | None = None
    action: Action = "quarantine"
    actions: dict[RuleName, Action] = Field(
        default_factory=dict, description="Exceptions by rule, such as {max_chars: warn}."
    )

    def action_of(self, rule: RuleName) -> Action:
        """Return what happens to a row that fails `rule`."""
        return self.actions.get(rule, self.action)


class Limits(Section):
    """Limits of one metric by level."""

    info: float | None = Field(None, ge=0)
    warning: float | None = Field(None, ge=0)
    critical: float | None = Field(None, ge=0)


class Threshold(Limits):
    """Limits of one metric; trips strictly above. A value above 1 is a count, else a share."""

    below: Limits | None = Field(None, description="Lower limits; trips strictly below.")


class Integrity(Section):
    """Row rules, Great Expectations suites and thresholds."""

    rows: dict[str, RowRules] = Field(default_factory=dict, description="Rules by column.")
    suite: str | None = Field(
        None,
        description="'default' or a folder of suites (Great Expectations), run on what goes out.",
    )
    input_suite: str | None = Field(None, description="The same, run on what comes in.")
    thresholds: dict[str, Threshold] = Field(
        default_factory=dict, description="Limits by metric name, such as quarantined_share."
    )
    reference: str | None = Field(
        None, description="A Parquet file or Delta table that drift is measured against."
    )
    held_out: str | None = Field(None, description="A file whose texts must not leak into the set.")
    metrics: dict[Identifier, str] = Field(
        default_factory=dict,
        description="Your own metrics: name: file.py:function of the kept rows (a polars "
        "LazyFrame) that returns a number; thresholds can name them.",
    )
    labels: tuple[Label, ...] = Field(
        (), description="Labels that a kept row should carry; the report shows their share."
    )


class Dedupe(Section):
    """Which duplicates are removed from what the formula kept."""

    exact: bool = Field(True, description="Equal text after NFC and white-space folding.")
    near: Share | None = Field(
        None, description="Least Jaccard similarity of word 3-grams that makes a near duplicate."
    )


class Split(Section):
    """Shares of the splits, or the column that holds an official one."""

    train: Share = 0.9
    validation: Share = 0.1
    test: Share = 0.0
    column: str | None = Field(None, description="Column with train, validation or test.")

    @model_validator(mode="after")
    def _sum_is_one(self) -> Split:
        total = self.train + self.validation + self.test
        if self.column is None and abs(total - 1) > 1e-9:
            raise ValueError(f"shares must sum to 1, not {total:g}")
        return self
