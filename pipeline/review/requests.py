"""What a page sends, checked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from siftset.pipeline.decisions.record import Verb
from siftset.pipeline.review.filters import Filter


class Ask(BaseModel):
    """A decision as the page sends it: about one row, or about all that meet a filter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int | None = Field(None, ge=0)
    filter: Filter = Filter()
    rows: int | None = None
    """How many rows the person was told that the filter means."""
    decision: Verb
    label: str | None = None
    text: str | None = None
    reason: str | None = None


class AskRules(BaseModel):
    """Which rows rules are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: Filter


class AskWrite(BaseModel):
    """Which proposed rule the recipe is to hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    before: str | None = None
    """Hash of the recipe that the person saw; none to see the change first."""
