"""The command review: people look at rows and decide."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe
from siftset.schemas.errors import SiftsetError
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from siftset.pipeline.review.session import ReviewSession


@add_command(app, "review", example="siftset review reviews.yaml --map")
def review_command(
    screen: Screen,
    recipe: Recipe,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one; by default 8322.")
    ] = None,
    open_: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open it in the browser; by default on a terminal."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decides; by default the user.")
    ] = None,
    map_: Annotated[
        bool, typer.Option("--map", help="Draw a map of the rows in the background.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write decisions to a file.")
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take decisions from a file.")
    ] = None,
    as_: Annotated[
        Literal["label-studio", "argilla"],
        typer.Option("--as", help="The tool that an exported .json file is for."),
    ] = "label-studio",
    part: Annotated[
        str | None,
        typer.Option(help="Export these rows alone: decided, kept, rejected, quarantined, ..."),
    ] = None,
    static: Annotated[
        Path | None, typer.Option("--static", metavar="FILE", help="Write the page as one file.")
    ] = None,
    set_: Overrides = None,
) -> None:
    """Look at rows in the browser and decide. Every run applies what people decided."""
    if sum(file is not None for file in (export, import_, static)) > 1:
        raise SiftsetError("expected one of --export FILE, --import FILE and --static FILE")
    if export is not None:
        return _export(screen, recipe, export, as_, part, set_ or ())
    if import_ is not None:
        return _import(screen, recipe, import_, by, set_ or ())
    from siftset.pipeline.review.open import open_review
    from siftset.pipeline.review.server import open_server, serve_review
    from siftset.pipeline.review.session import UNNAMED

    session = open_review(
        recipe, by=by, overrides=set_ or (), with_map=map_, progress=screen.progress()
    )
    if static is not None:
        return _write_static(screen, session, static)
    if session.rows.loaded.recipe.review is None:
        screen.note(UNNAMED)
    server = open_server(session, port)
    session.preparation.start()
    screen.answer(f"{server.address}  (Ctrl-C ends it)")
    screen.result({"address": server.address, "decisions": str(session.hand.path)})
    if sys.stdout.isatty() if open_ is None else open_:
        typer.launch(server.address)
    serve_review(server)
    screen.note(f"decisions  {session.hand.path}")
    return None


def _write_static(screen: Screen, session: ReviewSession, path: Path) -> None:
    from siftset.pipeline.review.static_file import write_static

    with screen.progress().stage("look for rows worth a look"):
        session.preparation.make()
    done = write_static(session, path)
    screen.show(
        f"Wrote {done.rows:,} of {format_count(done.of, 'row')} to {path} "
        f"({done.size / 2**20:.1f} MiB)"
    )
    for note in session.preparation.notes:
        screen.note(note)
    screen.result({"file": str(done.path), "rows": done.rows, "of": done.of, "bytes": done.size})


def _export(
    screen: Screen,
    recipe: str,
    file: Path,
    tool: Literal["label-studio", "argilla"],
    part: str | None,
    overrides: Sequence[str],
) -> None:
    from siftset.pipeline.review.exchange import export_decisions

    done = export_decisions(recipe, file, overrides=overrides, tool=tool, part=part)
    rows = f"{format_count(done.rows, 'row')} with " if done.rows else ""
    screen.show(f"Wrote {rows}{format_count(done.decisions, 'decision')} to {file}")
    screen.result(done.to_json())


def _import(
    screen: Screen, recipe: str, file: Path, by: str | None, overrides: Sequence[str]
) -> None:
    from siftset.pipeline.review.exchange import import_decisions
    from siftset.pipeline.review.open import name_reviewer

    done = import_decisions(recipe, file, overrides=overrides, by=by or name_reviewer())
    screen.show(
        f"Took {format_count(done.decisions, 'decision')} from {file}; {done.known:,} were known"
    )
    screen.result(done.to_json())
