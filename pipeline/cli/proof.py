"""The command that says whether the curation helped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe

if TYPE_CHECKING:
    from siftset.pipeline.proof.prove import ProofOptions
    from siftset.schemas.recipe.loading import RecipeLike


@add_command(app, "proof", example="siftset proof nike --minutes 10")
def proof_command(
    screen: Screen,
    recipe: Recipe,
    minutes: Annotated[
        float, typer.Option(help="Time it may take; run it again to go on where it stopped.")
    ] = 10.0,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Fine-tune the recipe's classifier, not a probe.")
    ] = False,
    set_: Overrides = None,
) -> None:
    """Say whether curated rows teach more than as many random ones."""
    from siftset.pipeline.proof.prove import ProofOptions

    show_proof(screen, recipe, ProofOptions(minutes, finetune), set_ or ())


def show_proof(
    screen: Screen, recipe: RecipeLike, options: ProofOptions, overrides: Sequence[str]
) -> None:
    """Make a proof and show it, in words or as JSON."""
    from siftset.pipeline.proof.prove import prove
    from siftset.pipeline.proof.summary import describe_proof, proof_json

    proof, page = prove(recipe, overrides=overrides, options=options, progress=screen.progress())
    screen.show("\n".join(describe_proof(proof, page)))
    screen.result(proof_json(proof, page))
