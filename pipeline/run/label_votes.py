"""The voters of a recipe, bound to its signals."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from siftset.schemas.recipe.model import Recipe
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.label_votes.voters import Voters, join_voters, read_voters
from siftset.signals.registry import build_for

CONTRADICTED: Final = "the texts nearby agree more with other rows of its label"
"""Why a row is rejected whose voted label is not among those that stay."""


def bind_voters(recipe: Recipe, folder: Path, cache: ScoreCache | None = None) -> Voters | None:
    """Return who votes on labels, with their signals; None where labels are not voted on.

    Files that signals name are relative to `folder`. Raises RecipeError and SignalError.
    """
    if recipe.label is None:
        return None
    voters = read_voters(recipe.label.votes, recipe.signals)
    asked = join_voters(voters)
    specs = {name: spec for name, spec in recipe.signals.items() if name in asked.names}
    signals = build_for(asked, specs, folder=folder)
    return Voters(voters, signals, known=recipe.label.known, cache=cache)
