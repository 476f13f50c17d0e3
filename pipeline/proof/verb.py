"""`siftset.proof`: the proof as a call."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.proof.prove import MINUTES, ProofOptions, prove
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import RecipeLike
from siftset.schemas.results.proof import Proof


def proof(
    recipe: RecipeLike,
    *,
    minutes: float | None = MINUTES,
    finetune: bool = False,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Proof:
    """Say whether a recipe's curated rows teach more than as many random ones.

    `minutes` is the time that it may take, None for as long as it takes; called again it goes on
    where it stopped. With `finetune` a classifier is fine-tuned as the recipe says, where else a
    probe on frozen vectors is trained. The page lies in `proof/proof.html` of the output folder.
    Raises a SiftsetError where there is nothing to compare.
    """
    options = ProofOptions(minutes, finetune)
    return prove(recipe, overrides=overrides, options=options, progress=progress)[0]
