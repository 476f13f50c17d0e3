"""How the columns of a source make a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from siftset.schemas.recipe.section import Section

Role = Literal["system", "user", "assistant", "tool"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

TextView = Literal["all", "user", "assistant", "first_user", "last_user", "last_assistant"]
"""What `text` holds of a conversation."""


def _as_names(value: Any) -> Any:  # noqa: ANN401  raw YAML
    return [value] if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...], BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...])
]
"""One column or several."""


class Messages(Section):
    """Conversations: a column of messages, columns that follow each other, or a turn a column."""

    column: str | None = Field(
        None,
        description="The column that holds a list of messages; `messages: NAME` says the same.",
    )
    role: str = Field("role", description="The key of a message that says who speaks.")
    content: str = Field("content", description="The key of a message that says what.")
    columns: Names | None = Field(
        None,
        description="Columns that follow each other, each a list of messages or a text (the last "
        "the assistant's, the others the user's); `messages: [prompt, chosen]` is short.",
    )
    user: Names | None = Field(
        None, description="Columns of the user's turn; blank ones are left out."
    )
    assistant: Names | None = Field(None, description="Columns of the answer.")
    system: Names | None = Field(None, description="Columns of the system's turn, if not blank.")
    roles: dict[str, Role] = Field(
        default_factory=dict,
        description="Further names of roles, such as {customer: user}; human, gpt, developer, "
        "function and the like are known.",
    )
    weight: str = Field(
        "weight", description="The key of a message that is 0 or false where it is not learned."
    )
    tools: str | None = Field(
        None, description="The column that holds the tools. Default: `tools`, if there is one."
    )
    merge: bool = Field(False, description="Neighbours of one role become one turn.")
    text: TextView = Field(
        "all",
        description="What of the conversation is the text that signals and rules read by default.",
    )

    @property
    def form(self) -> Literal["column", "columns", "turns"]:
        """Which of the three ways of writing it is."""
        if self.column is not None:
            return "column"
        return "columns" if self.columns is not None else "turns"

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        turns = self.user is not None or self.assistant is not None
        forms = [self.column is not None, self.columns is not None, turns]
        if sum(forms) != 1:
            raise ValueError(
                "expected one of: a column of messages, a list of columns, or "
                "{user: COLUMN, assistant: COLUMN}"
            )
        if turns and (self.user is None or self.assistant is None):
            lacking = "user" if self.user is None else "assistant"
            raise ValueError(f"'{lacking}' is missing: name the column of each of the two turns")
        if self.system is not None and not turns:
            raise ValueError("'system' is for {user: ..., assistant: ...}")
        given = [name for name in ("role", "content", "weight") if name in self.model_fields_set]
        if given and turns:
            raise ValueError(f"'{given[0]}' is a key of messages, and there are columns of texts")
        return self


def _as_mapping(value: Any) -> Any:  # noqa: ANN401  raw YAML
    if isinstance(value, str):
        return {"column": value}
    return {"columns": value} if isinstance(value, list | tuple) else value


GivenMessages = Annotated[
    Messages | None,
    BeforeValidator(_as_mapping, json_schema_input_type=str | tuple[str, ...] | Messages | None),
]
"""A recipe's `messages`: a column, a list of columns, or the mapping."""
