"""Parameters that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Recipe = Annotated[
    str, typer.Argument(help="A recipe file (YAML, TOML, JSON), or the name of a shipped one.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Change a key of the recipe; may be repeated."),
]
Version = Annotated[
    int | None, typer.Option("--version", help="A version of the set; by default the current one.")
]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", help="Seconds to wait for another run to end.")
]
Out = Annotated[str, typer.Option("--out", help="The file to write.")]
