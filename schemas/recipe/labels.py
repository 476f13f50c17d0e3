"""Labels that signals give: who votes for which class."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from siftset.schemas.recipe.section import Label, Section


def _as_list(value: Any) -> Any:  # noqa: ANN401  raw YAML
    return [value] if isinstance(value, str) else value


Voters = Annotated[
    tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])
]


class VotedLabels(Section):
    """Labels by the votes of signals, in the columns label, label_agreement and label_votes."""

    votes: dict[Label, Voters] = Field(
        max_length=100,
        description="class: [signal, ...]. A signal that is true of a row votes for the class; a "
        "formula, such as  tone >= 0.5 , votes like one. The class with most votes is the label; "
        "a row without a vote, or with a tie, gets none.",
    )
    known: str | None = Field(
        None,
        description="A column of labels that are known, of some rows or all: they measure the "
        "votes and never take part in them.",
    )

    keep_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="The share of every class that stays, such as 0.5: the rows whose label their "
        "10 nearest texts agree with most, by static vectors. Rows without a label all stay. "
        "Default: every row.",
    )

    @model_validator(mode="after")
    def _can_be_voted(self) -> Self:
        if len(self.votes) < 2:
            found = ", ".join(self.votes) or "none"
            raise ValueError(f"votes: expected at least 2 classes, found {found}: add another")
        for label, voters in self.votes.items():
            if not voters:
                raise ValueError(
                    f"votes.{label}: no signal votes for it: name one, or leave the class out"
                )
        return self
