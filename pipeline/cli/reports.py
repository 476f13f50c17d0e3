"""Commands that show: explain, report, serve."""

from __future__ import annotations

from typing import Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe, Version, version_number
from siftset.schemas.errors import SiftsetError


@add_command(app, "explain", example="siftset explain nike --analyze")
def explain_command(
    screen: Screen,
    recipe: Recipe,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Decide every row instead of a sample.")
    ] = False,
    row: Annotated[
        str | None,
        typer.Option(
            "--row",
            metavar="ID",
            help="Explain why this row was kept or not: its own id, or a row_id.",
        ),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="List the rows that a new version would add and remove.")
    ] = False,
    version: Version = None,
    set_: Overrides = None,
) -> None:
    """Explain the plan or one row. Measured cost and selectivity, or why a row was kept or not."""
    from siftset.pipeline.commands.explain import explain_difference, explain_one, explain_plan

    changes = set_ or ()
    if version is not None and row is None and not diff:
        raise SiftsetError(
            "--version asks about a row of the set, or its change: add --row or --diff"
        )
    number = version_number(recipe, version, set_)
    if row is not None:
        found = explain_one(recipe, row, overrides=changes, version=number)
    elif diff:
        found = explain_difference(
            recipe, overrides=changes, progress=screen.progress(), version=number
        )
    else:
        progress = screen.progress()
        found = explain_plan(recipe, analyze=analyze, overrides=changes, progress=progress)
    screen.answer(found.text)
    screen.result(found.facts)


@add_command(app, "report", example="siftset report nike --open")
def report_command(
    screen: Screen,
    recipe: Recipe,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    version: Version = None,
    set_: Overrides = None,
) -> None:
    """Show where everything is. Print the main figures of the set and the model too."""
    from siftset.pipeline.commands.report import describe_output

    number = version_number(recipe, version, set_)
    found = describe_output(recipe, overrides=set_ or (), version=number)
    for line in found.lines():
        screen.answer(line)
    screen.result(found.to_json())
    if open_:
        typer.launch(found.report.as_uri())


@add_command(app, "serve", example="siftset serve out/nike --port 8000")
def serve_command(
    screen: Screen,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Output folder of a recipe.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
) -> None:
    """Serve the reports on localhost."""
    from pathlib import Path

    from siftset.pipeline.commands.serve import serve_output as run

    def ready(address: str) -> None:
        screen.answer(f"{address}  (Ctrl-C ends it)")
        screen.result({"address": address})

    run(Path(folder), port, ready=ready)
