"""The command review: people look at rows and decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe
from siftset.schemas.errors import SiftsetError


@add_command(app, "review", example="siftset review reviews.yaml --export decisions.jsonl")
def review_command(
    screen: Screen,
    recipe: Recipe,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write decisions to a file.")
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take decisions from a file.")
    ] = None,
    set_: Overrides = None,
) -> None:
    """Decide about rows by hand. Every run applies what people decided."""
    from siftset.pipeline.review.exchange import export_decisions, import_decisions

    if (export is None) == (import_ is None):
        raise SiftsetError("expected one of --export FILE and --import FILE")
    if export is not None:
        done = export_decisions(recipe, export, overrides=set_ or ())
        screen.show(f"Wrote {done.decisions:,} decisions to {export}")
    elif import_ is not None:
        done = import_decisions(recipe, import_, overrides=set_ or ())
        screen.show(f"Took {done.decisions:,} decisions from {import_}; {done.known:,} were known")
    screen.result(done.to_json())
