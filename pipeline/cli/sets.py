"""Commands that make or change files: check, synthesize, curate, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import (
    Engine,
    ForSpreadsheets,
    Fresh,
    FreshSet,
    LockTimeout,
    Out,
    Overrides,
    Recipe,
    Recipes,
    RowsOf,
    Shape,
    Split,
    TakeOver,
    Version,
    version_number,
)
from siftset.schemas.errors import SiftsetError
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from pydantic import JsonValue


@add_command(app, "check", example="siftset check recipe.yaml")
def check_command(screen: Screen, recipes: Recipes, set_: Overrides = None) -> None:
    """Check a recipe before a long run. Look at its source, its formula and what training needs."""
    from siftset.pipeline.commands.check import check_recipe

    if len(recipes) == 1:
        found = check_recipe(recipes[0], overrides=set_ or ())
        for line in found.lines():
            screen.answer(line)
        return screen.result(found.to_json())
    failed = 0
    checked: dict[str, JsonValue] = {}
    for recipe in recipes:
        try:
            checked[recipe] = check_recipe(recipe, overrides=set_ or ()).to_json()
            screen.show(f"{recipe}: in order")
        except SiftsetError as error:
            failed += 1
            screen.note(f"{recipe}: {error}")
    if failed:
        raise SiftsetError(f"{failed} of {len(recipes)} recipes are not in order: see above")
    screen.result({"recipes": checked})


@add_command(app, "synthesize", example="siftset synthesize nike --out sentences.parquet")
def synthesize_command(screen: Screen, recipe: Recipe, out: Out, set_: Overrides = None) -> None:
    """Write the recipe's synthetic sentences to one file."""
    from siftset.pipeline.commands.export import synthesize_to

    rows = synthesize_to(recipe, Path(out), overrides=set_ or (), progress=screen.progress())
    screen.show(f"Wrote {format_count(rows, 'row')} to {out}")
    screen.result({"rows": rows, "out": str(Path(out).resolve())})


@add_command(app, "curate", example="siftset curate nike --set output=out/nike")
def curate_command(
    screen: Screen,
    recipe: Recipe,
    set_: Overrides = None,
    engine: Engine = "local",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read only the first N rows; publishes nothing.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Read a seeded sample of N rows; publishes nothing.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but publish; writes preview/.")
    ] = False,
    fresh: Fresh = False,
    fresh_set: FreshSet = False,
    release_quarantine: Annotated[
        bool,
        typer.Option("--release-quarantine", help="Put fixed rows back into the set."),
    ] = False,
    fixed: Annotated[
        Path | None,
        typer.Option(help="Parquet file with the fixed rows; default: the last run's quarantine."),
    ] = None,
    lock_timeout: LockTimeout = 0.0,
    take_over: TakeOver = False,
) -> None:
    """Curate a version of the retraining set. Keep the rows that satisfy the recipe's formula."""
    from siftset.pipeline.cli.summary import curate_summary, next_command
    from siftset.pipeline.commands.curate import curate as run
    from siftset.pipeline.run.context import CurateOptions

    options = CurateOptions(
        limit=limit,
        sample=sample,
        dry_run=dry_run,
        fresh=fresh,
        fresh_set=fresh_set,
        release_quarantine=release_quarantine or fixed is not None,
        fixed=fixed,
        lock_timeout=lock_timeout,
        take_over=take_over,
        engine=engine,
    )
    result = run(recipe, overrides=set_ or (), options=options, progress=screen.progress())
    screen.show(curate_summary(result, next_command(result, recipe, set_ or ())))
    screen.result(result.to_json())


@add_command(app, "export", example="siftset export nike --out nike.jsonl --version 0")
def export_command(
    screen: Screen,
    recipe: Recipe,
    out: Out,
    version: Version = None,
    set_: Overrides = None,
    as_: Shape = "table",
    split: Split = None,
    for_spreadsheets: ForSpreadsheets = False,
    rows_: RowsOf = "kept",
    run_: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="The run of --rows; else the last.")
    ] = None,
) -> None:
    """Write a version of the set to one file. Parquet, JSON Lines or CSV, here or in a store."""
    from siftset.pipeline.commands.export import export_set

    number = version_number(recipe, version, set_)
    rows = export_set(
        recipe,
        out,
        version=number,
        overrides=set_ or (),
        for_spreadsheets=for_spreadsheets,
        shape=as_,
        split=split,
        kind=rows_,
        run_id=run_,
    )
    if out.lower().endswith(".csv") and as_ in ("openai", "trl", "sharegpt"):
        screen.show("A cell of CSV holds text: conversations are written as JSON text")
    where = out if "://" in out else str(Path(out).resolve())
    screen.show(f"Wrote {format_count(rows, 'row')} to {out}")
    screen.result({"rows": rows, "out": where, "version": number})
