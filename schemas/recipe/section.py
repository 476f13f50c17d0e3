"""The base of every part of a recipe."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Section(BaseModel):
    """A frozen part of a recipe in which an unknown key is an error."""

    # built on first use: most sections are only ever a part of the recipe's own build
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Share = Annotated[float, Field(ge=0, le=1)]
"""A share of rows, from 0 to 1."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that can stand in a formula."""


def label_text(value: object) -> str:
    """Return a label as text: 1, 1.0, "1" and "1.0" are one label, so are true, "true" and "TRUE".

    signals.labels does the same for columns.
    """
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return re.sub(r"^(-?(?:0|[1-9][0-9]*))\.0+$", r"\1", text)


def _read_label(value: Any) -> Any:  # noqa: ANN401  raw YAML
    return label_text(value) if isinstance(value, str | int | float) else value


Label = Annotated[
    str, BeforeValidator(_read_label, json_schema_input_type=str | bool | int | float)
]
"""A label, which may be written as a number or a boolean."""
