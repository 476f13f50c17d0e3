"""Write docs/messages.md from the errors that the code raises: python docs/make_messages.py"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from siftset.schemas import errors
from siftset.schemas.plurals import form_plural

HEAD = """# Every message and what to do

Made by `python docs/make_messages.py` from the errors in the code. A message says what happened,
where, what was expected and what to do. Words in CAPITALS stand for what a message names, such as a
file or a column. [Troubleshooting](troubleshooting.md) says more about those that people meet most.

A terminal shows a message after `error:`, and `--json` as `error`; the command ends with the exit
code of the table. Findings of the report and notes of a run name their own action.
"""
MARKUP: Final = re.compile(r"([*_`\[\]])")
ESCAPED: Final = r"\\\1"
AREAS: Final = {
    "schemas/recipe": "Recipe",
    "signals": "Signals and formulas",
    "pipeline/sources": "Sources",
    "pipeline/gate": "Rules, suites and thresholds",
    "pipeline/storage": "Output, tables and stores",
    "pipeline/remote_output": "Output in a store",
    "pipeline/run": "Preparing a run",
    "pipeline/engines": "Ray",
    "trainer": "Models and training",
    "pipeline/model_registry": "Models of an output",
    "pipeline/launch": "Training in several processes",
    "": "Commands",
}
"""Headings by the folder where an error is raised, the most particular first."""
ROOMS: Final = ("schemas", "signals", "pipeline", "trainer")
CODES: Final = {
    name: found.exit_code
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.SiftsetError)
}


def words_of_count(node: ast.Call) -> str:
    """Return the words of a counted noun, or of a verb that agrees with it, in the plural."""
    words = [one.value for one in node.args[1:] if isinstance(one, ast.Constant)]
    match node.func, words:
        case ast.Name(id="format_count"), [str(noun)]:
            return f"{words_of(node.args[0])} {form_plural(noun)}"
        case ast.Name(id="conjugate"), [str(verb)]:
            return verb
    return "..."


def words_of(node: ast.expr) -> str:
    """Return the text of an expression, with what is filled in as capital letters."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(words_of, node.values))
    if isinstance(node, ast.FormattedValue):
        return words_of(node.value)
    if isinstance(node, ast.Call):
        return words_of_count(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words_of(node.left) + words_of(node.right)
    if isinstance(node, ast.IfExp):
        return words_of(node.body)
    if isinstance(node, ast.Attribute):
        return node.attr.strip("_").upper()
    if isinstance(node, ast.Name):
        return node.id.strip("_").upper()
    return "..."


def find_messages(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the messages that a file raises with the exit code of each."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
            continue
        kind = node.exc.func
        name = kind.id if isinstance(kind, ast.Name) else getattr(kind, "attr", "")
        text = " ".join(words_of(node.exc.args[0]).split())
        if name in CODES and len(re.findall(r"[a-z]{2,}", text)) > 2:
            yield text, CODES[name]


def area_of(path: str) -> str:
    """Return the heading of a file."""
    return next(title for folder, title in AREAS.items() if path.startswith(folder))


def all_messages() -> dict[str, dict[str, int]]:
    """Return the messages with their exit codes by heading."""
    root = Path(errors.__file__).parents[1]
    found: dict[str, dict[str, int]] = {title: {} for title in AREAS.values()}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            found[area_of(path.relative_to(root).as_posix())].update(find_messages(path))
    return found


def page() -> str:
    """Return the page: a table for every heading and exit code."""
    parts = [HEAD]
    for title, messages in all_messages().items():
        parts.append(f"## {title}\n")
        for code in sorted(set(messages.values())):
            parts += [f"| exit code {code} |", "| --- |"]
            for text in sorted(text for text, own in messages.items() if own == code):
                shown = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
                parts.append(f"| {MARKUP.sub(ESCAPED, shown)} |")
            parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "messages.md").write_text(page(), encoding="utf-8")
