"""Write docs/commands.md from the command line itself: python docs/make_commands.py"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from siftset.pipeline.cli import app

HEAD = """# Commands

Made by `python docs/make_commands.py` from the code; `siftset COMMAND --help` says the same.
Every command also takes these:

| option | what it does |
| --- | --- |
"""
Parameter = TyperArgument | TyperOption
COMMON = ("--json", "--quiet", "--verbose")
EXIT_CODES = """
## Exit codes

| code | meaning |
| --- | --- |
| 0 | done, also when nothing was new |
| 2 | something that you can fix in the recipe, the source or the command: the message says what |
| 3 | the gate refused the set, or a trained model failed its checks |
| 4 | more rows failed or were unreadable than the recipe allows |
| 5 | another run holds the lock; `--lock-timeout SECONDS` waits for it |
| 10 | `siftset plan --exit-code`: applying the plan would change rows |
| 130, 143 | stopped by Ctrl-C or SIGTERM |
| 1 | a defect of siftset, with its traceback |
"""


def is_argument(parameter: Parameter) -> bool:
    """Whether a parameter is given by its place."""
    return not parameter.opts[0].startswith("-")


def value_of(parameter: Parameter) -> str:
    """Return what stands for the value of an option."""
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    words = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}
    return str(parameter.metavar or words.get(annotation, "TEXT"))


def names(parameter: Parameter) -> str:
    """Return how a parameter is written on the command line."""
    if is_argument(parameter):
        shown = (parameter.metavar or parameter.name).rstrip(".").upper()
        shown += "..." * (parameter.nargs != 1)
        return f"`{shown}`" if parameter.required else f"`[{shown}]`"
    written = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
    return written if parameter.is_flag else f"{written} `{value_of(parameter)}`"


def default(parameter: Parameter) -> str:
    """Return the value that holds where an option is not given."""
    if parameter.required:
        return "required"
    value = parameter.default
    return f"`{value}`" if type(value) in (str, int, float) and value != "" else ""


def line(parameter: Parameter) -> str:
    """Return the row of a table for one parameter."""
    cells = (names(parameter), " ".join((parameter.help or "").split()), default(parameter))
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def sections(command: TyperCommand | TyperGroup, name: str) -> Iterator[str]:
    """Yield the lines about a command and its subcommands."""
    own = [one for one in command.params if one.opts[0] not in COMMON and not one.hidden]
    arguments = [one for one in own if is_argument(one)]
    words = [name, *(names(one).strip("`") for one in arguments)]
    yield from ("", f"## {name.removeprefix('siftset ')}", "")
    yield " ".join(inspect.cleandoc(command.help or "").split())
    for inner, found in getattr(command, "commands", {}).items():
        yield from sections(found, f"{name} {inner}")
    if getattr(command, "commands", None) is not None:
        return
    usage = " ".join([*words, "[OPTIONS]"] if len(own) > len(arguments) else words)
    example = (command.epilog or "").removeprefix("Example:").strip()
    yield from ("", "```console", f"$ {usage}", f"$ {example}", "```")
    if not own:
        return
    yield ""
    yield from ("| argument or option | what it does | default |", "| --- | --- | --- |")
    yield from map(line, own)


def page() -> str:
    """Return the page: common options, then every command in the order of the help."""
    group = get_command(app)
    first = next(iter(group.commands.values()))
    common = [one for one in first.params if one.opts[0] in COMMON]
    rows = [f"| {names(one)} | {one.help} |" for one in common]
    parts = [HEAD + "\n".join(rows)]
    for name, command in group.commands.items():
        parts += sections(command, f"siftset {name}")
    return "\n".join(parts) + "\n" + EXIT_CODES


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(page(), encoding="utf-8")
