"""What every part of metrics.json is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Metrics(BaseModel):
    """A frozen part of metrics.json."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class Example(Metrics):
    """A row that a check or a reason points at; `value` is cut to 160 characters."""

    row_id: str = ""
    value: str | None = None
    reason: str = ""
