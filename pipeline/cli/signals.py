"""Commands about signals: list, show, try, test; and about labels: doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe
from siftset.schemas.plurals import conjugate, format_count

group = typer.Typer(
    name="signals", help="List, show, try and test signals.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip
app.add_typer(group)


@add_command(group, "list", example="siftset signals list")
def list_command(screen: Screen) -> None:
    """List the available kinds of signals."""
    from siftset.pipeline.commands.signals import list_kinds

    found = list_kinds()
    screen.answer(found.text)
    screen.result(found.facts)


@add_command(group, "show", example="siftset signals show keyword")
def show_command(
    screen: Screen, name: Annotated[str, typer.Argument(metavar="KIND", help="The kind of signal.")]
) -> None:
    """Show one kind of signal. Its parameters, its examples and the source of its definition."""
    from siftset.pipeline.commands.signals import show_kind

    found = show_kind(name)
    screen.answer(found.text)
    screen.result(found.facts)


@add_command(
    group, "try", example="siftset signals try \"keyword(words=['good'])\" --data reviews.csv"
)
def try_command(
    screen: Screen,
    formula: Annotated[
        str, typer.Argument(metavar="FORMULA", help="A formula whose signals are written out.")
    ],
    data: Annotated[str, typer.Option("--data", help="File of texts.")],
    column: Annotated[str, typer.Option(help="Column that holds the text.")] = "text",
    sample: Annotated[int | None, typer.Option(min=1, help="Number of rows to look at.")] = None,
) -> None:
    """Apply a formula to the rows of a file and show some of them."""
    from siftset.pipeline.commands.signals import try_formula

    found = try_formula(formula, Path(data), column=column, sample=sample)
    screen.answer(found.text)
    screen.result(found.facts)


@add_command(group, "test", example="siftset signals test signals_mine.py")
def check_command(
    screen: Screen,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A Python file with @signal functions.")
    ] = ("signals_mine.py"),
    data: Annotated[str | None, typer.Option("--data", help="File of texts.")] = None,
) -> None:
    """Test your own signals. Run their examples and check the laws that every signal obeys."""
    from siftset.pipeline.commands.signals import check_signals
    from siftset.schemas.errors import SignalError

    found = check_signals(Path(file), data=None if data is None else Path(data))
    for law in found.laws:
        screen.answer(str(law))
    if found.broken:
        raise SignalError(
            f"{file}: {found.broken} of {format_count(len(found.laws), 'check')} "
            f"{conjugate(len(found.laws), 'fail')}: see above"
        )
    screen.result(found.facts)


@add_command(app, "doubt", example="siftset doubt reviews.yaml")
def doubt_command(
    screen: Screen,
    recipe: Recipe,
    out: Annotated[
        Path | None, typer.Option(help="Folder for both files; default: that of the recipe.")
    ] = None,
    set_: Overrides = None,
) -> None:
    """Find labels that look wrong. Cross-validated models judge rows they were not fitted on."""
    from siftset.pipeline.commands.doubt import find_doubtful_labels

    found = find_doubtful_labels(recipe, overrides=set_ or (), out=out, progress=screen.progress())
    for line in found.lines():
        screen.show(line)
    screen.result(found.to_json())
