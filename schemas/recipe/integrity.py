"""What integrity means: rules for rows, a suite and thresholds for the set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from siftset.schemas.recipe.section import Identifier, Label, Section, Share

Action = Literal["quarantine", "warn", "block"]
"""What happens to a row that fails: set aside, counted only, or nothing is published at all."""


_ACTION = (
    "What happens to a row that fails: it goes to quarantine, the run is marked with a warning, or "
    "nothing is published."
)

RuleName = Literal[
    "not_null",
    "not_blank",
    "min_chars",
    "max_chars",
    "encoding",
    "matches",
    "one_of",
    "min",
    "max",
    "max",
    "differs_from",
]
"""A rule of RowRules by its key."""


class RowRules(Section):
    """Rules for one column; a row that fails any of them is quarantined, with its reasons."""

    not_null: bool = Field(False, description="The value is not null.")
    not_blank: bool = Field(False, description="Not empty and not only white space.")
    min_chars: NonNegativeInt | None = Field(None, description="Fewest characters of a value.")
    max_chars: PositiveInt | None = Field(None, description="Most characters of a value.")
    encoding: bool = Field(
        False, description="No U+FFFD, no control characters but tab and line ends."
    )
    matches: str | None = Field(None, description="A regular expression found in every value.")
    one_of: tuple[Label, ...] | None = Field(None, description="The only values allowed.")
    min: float | None = Field(None, description="Smallest number that is allowed.")
    max: float | None = Field(None, description="Largest number that is allowed.")
    differs_from: str | None = Field(
        None, description="A column that must hold something else, such as rejected for chosen."
    )
    action: Action = Field("quarantine", description=_ACTION)
    actions: dict[RuleName, Action] = Field(
        default_factory=dict, description="Exceptions by rule, such as {max_chars: warn}."
    )

    def action_of(self, rule: RuleName) -> Action:
        """Return what happens to a row that fails `rule`."""
        return self.actions.get(rule, self.action)


MessageReason = Literal[
    "no_turns", "unknown_role", "blank_turn", "not_alternating", "not_text", "control_token",
    "bad_weight", "last_not_answer", "tool_call_unmatched", "first_not_user", "min_turns",
    "max_turns", "max_chars",
]  # fmt: skip
"""Why a conversation fails a rule of MessageRules."""


class MessageRules(Section):
    """Rules for conversations; those without a value are on unless they are set to false."""

    no_turns: bool = Field(True, description="There is at least one turn.")
    unknown_role: bool = Field(True, description="Roles are system, user, assistant or tool.")
    blank_turn: bool = Field(True, description="Every turn has a content or calls a tool.")
    not_alternating: bool = Field(
        True,
        description="One system first; then user and assistant in turn, tools between.",
    )
    last_not_answer: bool = Field(True, description="The last turn is the assistant's.")
    tool_call_unmatched: bool = Field(
        True, description="Tool calls and tool turns have the same ids; arguments are JSON."
    )
    not_text: bool = Field(True, description="Contents are text, or parts that are all text.")
    control_token: bool = Field(
        True, description="No content holds a mark of a chat template, such as <|im_end|>."
    )
    bad_weight: bool = Field(True, description="Weights are 0, 1, true or false.")
    starts_with: Literal["user"] | None = Field(
        None, description="Who speaks first, after the system."
    )
    min_turns: PositiveInt | None = Field(
        None, description="Fewest turns, the system's not counted."
    )
    max_turns: PositiveInt | None = Field(None, description="Most turns, the system's not counted.")
    max_chars: PositiveInt | None = Field(None, description="Characters of all contents.")
    action: Action = Field("quarantine", description=_ACTION)
    actions: dict[MessageReason, Action] = Field(
        default_factory=dict, description="Exceptions by reason, such as {control_token: warn}."
    )

    def action_of(self, reason: MessageReason) -> Action:
        """Return what happens to a row that fails for `reason`."""
        return self.actions.get(reason, self.action)


class Limits(Section):
    """Limits of one metric by level."""

    info: float | None = Field(None, ge=0, description="Beyond it the report shows a note.")
    warning: float | None = Field(None, ge=0, description="Beyond it the verdict is a warning.")
    critical: float | None = Field(
        None, ge=0, description="Beyond it the gate refuses: nothing is published."
    )


class Threshold(Limits):
    """Limits of one metric; trips strictly above. A value above 1 is a count, else a share."""

    below: Limits | None = Field(None, description="Lower limits; trips strictly below.")


class Integrity(Section):
    """Row rules, Great Expectations suites and thresholds."""

    rows: dict[str, RowRules] = Field(default_factory=dict, description="Rules by column.")
    messages: MessageRules | None = Field(
        None, description="Rules for conversations; `{}` switches all on that need no value."
    )
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
    held_out: str | None = Field(
        None, description="A file whose texts, or messages, must not leak into the set."
    )
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
    on: Literal["text", "messages"] | tuple[str, ...] | None = Field(
        None,
        description="What equal rows are equal in: the text, the turns of the conversation but the "
        "system's, or some columns. Default: messages where there are any, else text.",
    )
    prefixes: bool = Field(
        False,
        description="Conversations that are the beginning of a longer one are removed, as logs "
        "hold that are written after every turn.",
    )
    near: Share | None = Field(
        None,
        description="Least Jaccard similarity of word 3-grams that makes a near duplicate; in "
        "scripts without spaces a character counts as a word.",
    )
    across_splits: bool | None = Field(
        None,
        description="Without `exact`: of equal texts on two sides of the split those of one side "
        "stay. Default: with `split.group`, which may part equal texts.",
    )
    relabelled: Literal["first", "drop", "block"] | None = Field(
        None,
        description="What becomes of equal texts under different labels: only those of the first "
        "label stay, none of them stays, or nothing is published. Default: `exact` keeps the "
        "first row; without it all stay, and are counted.",
    )

    @property
    def compares_texts(self) -> bool:
        """Whether equal texts are looked for."""
        return self.exact or self.relabelled in ("first", "drop")


class Split(Section):
    """Shares of the splits, or the column that holds an official one."""

    train: Share = Field(0.9, description="Share of the rows that models are trained on.")
    validation: Share = Field(0.1, description="Share that training is evaluated on.")
    test: Share = Field(0.0, description="Share that only the comparison asks.")
    column: str | None = Field(None, description="Column with train, validation or test.")
    group: str | tuple[str, ...] | None = Field(
        None,
        description="Column, path or columns whose equal values stay on one side, such as the "
        "author; a row without one is a group by its text.",
    )
    stratify: str | None = Field(
        None,
        description="Column or path of classes, each of which is split by the same shares: of few "
        "rows too.",
    )

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns that make a group; none where the text does."""
        return (self.group,) if isinstance(self.group, str) else self.group or ()

    @model_validator(mode="after")
    def _sum_is_one(self) -> Split:
        total = self.train + self.validation + self.test
        if self.column is None and abs(total - 1) > 1e-9:
            raise ValueError(f"shares must sum to 1, not {total:g}")
        if self.column is not None and self.stratify is not None:
            raise ValueError("'column' holds the split already: remove 'stratify'")
        return self
