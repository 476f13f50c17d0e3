"""The base of every part of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Section(BaseModel):
    """A frozen part of a recipe in which an unknown key is an error."""

    # built on first use: most sections are only ever a part of the recipe's own build
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Share = Annotated[float, Field(ge=0, le=1)]
"""A share of rows, from 0 to 1."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that can stand in a formula."""
