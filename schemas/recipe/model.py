"""The recipe: one document that says where text comes from, what is kept, and what is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, model_validator

from siftset.schemas.recipe.cluster import Cluster
from siftset.schemas.recipe.integrity import Dedupe, Integrity, Split
from siftset.schemas.recipe.labels import VotedLabels
from siftset.schemas.recipe.refresh import Refresh
from siftset.schemas.recipe.review import Review
from siftset.schemas.recipe.section import Identifier, Section, Share
from siftset.schemas.recipe.selection import Select
from siftset.schemas.recipe.source import Prepare, Source
from siftset.schemas.recipe.train import Compare, Train

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


def _as_list(value: Any) -> Any:  # noqa: ANN401  raw YAML
    return [value] if isinstance(value, Mapping) else value


class Recipe(Section):
    """Where text comes from, which rows are kept, what integrity means, what is trained."""

    name: Name = Field(description="Name of the recipe: letters, digits, `.`, `_` and `-`.")
    output: str = Field(
        description="Folder of the set, the runs and the models, or an address in a store, such as "
        "s3://bucket/nike; the work is then done in out/NAME beside the recipe, or in NAME under "
        "the folder that the environment variable SIFTSET_WORK names."
    )
    mirror: str | None = Field(
        None,
        description="Address in a store, such as s3://bucket/nike/set, where the set is copied to: "
        "the same Delta table with the same versions; for an output that is a folder.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        description="Seed of everything that is drawn: synthesis, splits, samples.",
    )
    source: Annotated[
        tuple[Source, ...],
        BeforeValidator(_as_list, json_schema_input_type=Source | tuple[Source, ...]),
    ] = Field(
        (),
        description="What is read, one or several; none where Python hands the rows over.",
    )
    prepare: Prepare = Field(
        Prepare(), description="Mechanical changes to every row, before the rules."
    )
    signals: dict[Identifier, dict[str, JsonValue]] = Field(
        default_factory=dict,
        max_length=1_000,
        description="The signals by name: {kind: parameters} or {python: file.py:function}.",
    )
    label: VotedLabels | None = Field(
        None, description="Signals that vote on the label of each row, before anything else."
    )
    keep: str = Field(description="The formula over signals that a kept row satisfies.")
    order: Literal["auto", "pinned"] = Field(
        "auto",
        description="'pinned' evaluates as written, for signals that guard others.",
    )
    analysis: Literal["full", "sample", "off"] = Field(
        "sample",
        description="Rows on which every signal is evaluated, for its leave-one-out effect: all, "
        "20,000, or none.",
    )
    record: Literal["full", "decisions", "none"] = Field(
        "full",
        description="What is stored of rejected rows: the rows, their decisions alone, or nothing.",
    )
    max_fault_rate: Share = Field(0.0, description="Share of rows a faulty signal may leave open.")
    max_unreadable_share: Share = Field(
        0.01, description="Share of records that may be unreadable; above it the run ends with 4."
    )
    allow_empty: bool = Field(False, description="Whether a set of no rows may be published.")
    integrity: Integrity = Field(
        Integrity(), description="What must hold before a set is published."
    )
    dedupe: Dedupe = Field(Dedupe(), description="Which duplicates are removed.")
    select: Select | None = Field(
        None, description="How many of the kept rows are taken; all of them without it."
    )
    split: Split = Field(Split(), description="How rows are divided into splits.")
    review: Review | None = Field(
        None, description="What people decided of single rows, and what the review page shows."
    )
    refresh: Refresh = Field(
        Refresh(), description="When and how the set and the model are renewed."
    )
    train: Train | None = Field(None, description="Which model is trained, and how.")
    compare: Compare = Field(
        Compare(), description="What the model before and the model after are compared on."
    )
    ray: Cluster = Field(Cluster(), description="The cluster of `--engine ray`.")

    @property
    def removes_leaks(self) -> bool:
        """Whether equal texts on two sides of the split are looked for."""
        asked, split = self.dedupe.across_splits, self.split
        by_group = bool(split.groups) and split.column is None and split.stratify is None
        return not self.dedupe.exact and (by_group if asked is None else asked)

    @model_validator(mode="after")
    def _knows_sides(self) -> Self:
        if self.dedupe.across_splits and self.split.stratify is not None and self.removes_leaks:
            raise ValueError(
                "dedupe.across_splits is not for a stratified split, whose sides are known last: "
                "set dedupe.exact: true"
            )
        return self
