"""Parameters that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from siftset.schemas.recipe.loading import RecipeLike


def _complete_recipe(incomplete: str) -> list[str]:
    """Complete the name of a shipped recipe; a shell completes files by itself."""
    from siftset.schemas.recipe.loading import shipped_recipes

    return [name for name in shipped_recipes() if name.startswith(incomplete)]


Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file (YAML, TOML, JSON), or the name of a shipped one.",
        autocompletion=_complete_recipe,
    ),
]
Recipes = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE",
        help="Recipe files, or names of shipped ones.",
        autocompletion=_complete_recipe,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Change a key of the recipe; may be repeated."),
]
Version = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="N|DATE|TAG",
        help="Version of the set: a number, a date or a tag; default: the current one.",
    ),
]
Shape = Annotated[
    Literal["table", "same", "openai", "sharegpt", "trl", "alpaca", "text"],
    typer.Option("--as", help="Format of the rows: as they were read (same), or a chat format."),
]
RowsOf = Annotated[
    Literal["kept", "rejected", "quarantined", "duplicates", "unreadable"],
    typer.Option("--rows", help="The rows of the set, or those that a run left out of it."),
]
Split = Annotated[
    Literal["train", "validation", "test"] | None, typer.Option(help="Write one split only.")
]
Engine = Annotated[Literal["local", "ray"], typer.Option("--engine", help="Where to run.")]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", help="Seconds to wait for another run to finish.")
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Ignore stored scores and score every row again; publish if anything differs.",
    ),
]
FreshSet = Annotated[
    bool, typer.Option("--fresh-set", help="Publish a version even if nothing is new.")
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Continue from a set that another recipe made or another program changed.",
    ),
]
Out = Annotated[str, typer.Option("--out", help="The file to write.")]
ForSpreadsheets = Annotated[
    bool,
    typer.Option(
        "--for-spreadsheets",
        help="CSV: put an apostrophe before text that a spreadsheet would read as a formula.",
    ),
]


def version_number(
    recipe: RecipeLike, version: str | None, overrides: list[str] | None
) -> int | None:
    """Return the version that a number or a date names; None for the current one."""
    if version is None:
        return None
    from siftset.pipeline.approval.resolve_version import resolve_version
    from siftset.pipeline.remote_output.open import open_store

    return resolve_version(open_store(recipe, overrides=overrides or ())[1], version)
