"""What people decided of rows, and where it lies."""

from __future__ import annotations

from pydantic import Field

from siftset.schemas.recipe.section import Section


class Review(Section):
    """Decisions of people, which every run applies."""

    decisions: str = Field(
        "review/*.jsonl",
        min_length=1,
        description="Decision files, relative to the recipe: one that `siftset review` appends to "
        "for each reviewer. What they decided of a row holds in every run, until the row changes.",
    )
