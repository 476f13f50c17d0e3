"""The command `siftset`."""

from __future__ import annotations

import os
from typing import Annotated, Final

import typer

_SPARED: Final = {
    "OPENBLAS_THREAD_TIMEOUT": "4",  # numpy's idle threads would spin for 2**26 cycles, then sleep
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looked for in the metadata of all that is installed
}
"""What a short process can do without; set before numpy and pydantic are imported."""

for _name, _value in _SPARED.items():
    os.environ.setdefault(_name, _value)

app = typer.Typer(
    name="siftset",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Curate raw text into a versioned retraining set, fine-tune a model, see what changed.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"siftset {version('siftset')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Curate raw text into a versioned retraining set, fine-tune a model, see what changed."""


_ORDER = (
    "init", "check", "curate", "explain", "train", "compare", "proof", "predict", "onnx", "refresh",
    "review", "doubt", "plan", "apply", "plans", "diff", "tag",
    "synthesize", "export", "report", "serve", "history", "rollback",
    "metrics", "mcp", "examples", "doctor", "schema",
)  # fmt: skip


def sort_commands(application: typer.Typer) -> None:
    """List the commands in the order in which a user meets them."""
    places = {name: place for place, name in enumerate(_ORDER)}
    application.registered_commands.sort(key=lambda c: places.get(c.name or "", len(places)))
