"""What plan.json holds: a version that was prepared and waits for somebody to say yes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Json = dict[str, JsonValue]


class PlanPart(BaseModel):
    """A frozen part of plan.json; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class PlannedFile(PlanPart):
    """A Parquet file below the plan's `set/` that the commit will name."""

    name: str
    split: str
    rows: int


class RowChanges(PlanPart):
    """How many rows of the set a version adds, removes and changes."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    relabelled: int = Field(0, description="Of the changed ones, those with another label.")
    moved: int = Field(0, description="Of the changed ones, those in another split.")

    @property
    def any(self) -> bool:
        """Whether any row differs."""
        return bool(self.added or self.removed or self.changed)


class Plan(PlanPart):
    """A prepared version: what it rests on, what it changes, and everything its commit will say."""

    plan_id: str
    recipe: str
    command: Literal["curate", "refresh"] = "curate"
    scheduled: bool = Field(
        False, description="Whether a refresh wrote it: the next one replaces it."
    )
    created: str = Field("", description="ISO 8601, UTC.")
    by: str = Field("", description="Who asked for it.")
    base_version: int | None = None
    key: str = ""
    mode: Literal["overwrite", "append"] = "overwrite"
    files: tuple[PlannedFile, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict, description="Entries of the commit.")
    rules: dict[str, str] = Field(
        default_factory=dict,
        description="A hash for each thing, the input apart, that decides what becomes of a row.",
    )
    inputs: tuple[Json, ...] = ()
    rows: dict[str, int] = Field(default_factory=dict, description="The closing balance.")
    set_rows: int = 0
    splits: dict[str, int] = Field(default_factory=dict)
    verdict: Literal["pass", "warn", "fail"] = "pass"
    refusal: str | None = Field(None, description="Why it may not be applied.")
    changes: RowChanges = RowChanges()

    def to_json(self) -> dict[str, JsonValue]:
        """Return what `--json` tells of it: its figures, not what its commit needs."""
        told: Json = self.model_dump(mode="json", exclude={"files", "metadata", "rules", "inputs"})
        return told


class Approval(PlanPart):
    """Who said yes to a plan, when and why."""

    plan: str
    by: str
    note: str = ""
    when: str = Field("", description="ISO 8601, UTC.")
