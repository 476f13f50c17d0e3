"""When and how the set and the model are renewed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from schemas.section import Section


class Refresh(Section):
    """What `siftset refresh` does with what is new."""

    retrain_after: PositiveInt | None = Field(None, description="New kept rows that make it due.")
    retrain_on_drift: bool = False
    merge: Literal["append", "replace", "upsert"] = "append"
    removed: Literal["keep", "delete"] = Field(
        "keep", description="What happens to rows whose input is gone."
    )
    notify: str | None = Field(None, description="Webhook URL; give it as ${NAME}.")
