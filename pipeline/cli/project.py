"""Commands to start with: init, examples, doctor, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.schemas.plurals import format_count


@add_command(app, "init", example="siftset init my-project --template tickets --from tickets.csv")
def init_command(
    screen: Screen,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder to create.")],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="DATA", help="Your own file or folder to start from."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Starting point: reviews, tickets, tweets, answers; default: as the data suggest.",
        ),
    ] = None,
) -> None:
    """Start a project. Write a recipe, a signal of your own and sample data, ready to curate."""
    from siftset.pipeline.commands.init import DEFAULT, init_from, init_project

    made = (
        init_project(Path(folder), DEFAULT if template is None else template)
        if from_ is None
        else init_from(Path(folder), Path(from_), template)
    )
    for line in made.lines():
        screen.show(line)
    screen.result(made.to_json())


@add_command(app, "examples", example="siftset examples")
def examples_command(
    screen: Screen,
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder to write to; default: this one.")
    ] = ".",
) -> None:
    """Download the open data of the examples. Tweets, reviews and editorials, rated by people."""
    from siftset.pipeline.commands.examples import fetch_open_data

    found = fetch_open_data(Path(folder), screen.progress())
    for path, rows in found.rows.items():
        screen.show(f"{path}  {format_count(rows, 'row')}")
    screen.result(found.to_json())


@add_command(app, "doctor", example="siftset doctor --fetch")
def doctor_command(
    screen: Screen,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Download the embedded model into the cache.")
    ] = False,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the kernels that large runs use.")
    ] = False,
) -> None:
    """Show the environment. Versions, extras, caches, the embedded model, compiled kernels."""
    from siftset.pipeline.commands.doctor import examine_environment, fetch_model
    from siftset.signals.warm_up import compile_kernels

    if fetch:
        fetch_model(screen.progress())
    if compile_:
        compile_kernels(screen.progress())
    health = examine_environment()
    for line in health.lines():
        screen.answer(line)
    screen.result(health.to_json())


@add_command(app, "schema", example="siftset schema > siftset.schema.json")
def schema_command(screen: Screen) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from siftset.schemas.recipe.loading import recipe_json_schema

    found = recipe_json_schema()
    screen.answer(json.dumps(found, indent=2, ensure_ascii=False))
    screen.result(found)
