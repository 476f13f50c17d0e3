"""Commands for other programs: metrics for a monitor, tools for a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe


@add_command(app, "metrics", example="siftset metrics nike --out /var/lib/node_exporter/nike.prom")
def metrics_command(
    screen: Screen,
    recipe: Recipe,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.prom", help="Write this file, all at once."),
    ] = None,
    set_: Overrides = None,
) -> None:
    """Print the last run's figures for Prometheus. With --out for the textfile collector."""
    from siftset.pipeline.commands.metrics import prometheus_text, write_prometheus

    text = prometheus_text(recipe, overrides=set_ or ())
    if out is None:
        screen.answer(text.rstrip("\n"))
    else:
        write_prometheus(text, out)
        screen.show(f"Wrote {out}")
    screen.result({"metrics": text, "out": None if out is None else str(out.resolve())})


@add_command(app, "mcp", example="siftset mcp recipe.yaml other.yaml")
def mcp_command(
    screen: Screen,
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE", help="The recipes that may be asked about.")
    ],
    allow_apply: Annotated[
        bool, typer.Option("--allow-apply", help="Offer apply_plan too, which publishes a plan.")
    ] = False,
    set_: Overrides = None,
) -> None:
    """Answer a language model over stdio. Its tools read runs, reports, rows and versions."""
    from siftset.pipeline.mcp_server.server import serve_recipes

    screen.note("siftset mcp answers over stdin and stdout (Ctrl-C ends it)")
    serve_recipes(recipes, overrides=set_ or (), allow_apply=allow_apply)
