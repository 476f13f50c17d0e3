"""A proposed rule as a comment at the end of a recipe: shown first, written when asked for."""

from __future__ import annotations

import difflib
import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from siftset.pipeline.review.propose import NEW, Rule
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import RecipeError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.loading import LoadedRecipe

ENDINGS = (".yaml", ".yml")


class RecipeChange(NamedTuple):
    """What writing a rule would change."""

    file: str
    before: str
    """Hash of the recipe as it stands; what is written later must still find it so."""
    diff: tuple[str, ...]


def describe_rule(rule: Rule, loaded: LoadedRecipe) -> str:
    """Return a rule as lines of a recipe: its signal, and what becomes of the formula."""
    name = _free_name(loaded)
    clause = rule.candidate.clause
    if rule.candidate.signal is None:
        return _formulas(clause, loaded.recipe.keep)
    body = _to_yaml({"signals": {name: rule.candidate.signal}})
    return body + _formulas(name, loaded.recipe.keep)


def preview_rule(rule: Rule, loaded: LoadedRecipe, chosen: int) -> RecipeChange:
    """Return how a recipe would read with a rule; raises RecipeError where it cannot hold one."""
    path, old = _read(loaded)
    new = _append(old, rule, loaded, chosen)
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), path.name, path.name, lineterm=""
    )
    return RecipeChange(path.name, _hash(old), tuple(lines))


def write_rule(rule: Rule, loaded: LoadedRecipe, chosen: int, before: str) -> RecipeChange:
    """Write a rule into a recipe that still reads as it did when the change was shown.

    Raises RecipeError, and writes nothing, where it does not.
    """
    path, old = _read(loaded)
    if _hash(old) != before:
        raise RecipeError(f"{path.name} was changed since: look at the change again")
    shown = preview_rule(rule, loaded, chosen)
    with atomic_write(path) as draft:
        draft.write_bytes(_append(old, rule, loaded, chosen).encode())
        draft.chmod(path.stat().st_mode)
    return shown


def _read(loaded: LoadedRecipe) -> tuple[Path, str]:
    path = loaded.path
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        raise RecipeError(
            f"{path.name} is no YAML file of yours, which alone can hold the rule as a comment: "
            "copy the lines from the page"
        )
    return path, path.read_bytes().decode()


def _append(old: str, rule: Rule, loaded: LoadedRecipe, chosen: int) -> str:
    end = "\r\n" if "\r\n" in old else "\n"
    said = [
        f"Proposed by siftset review, {datetime.now(UTC):%Y-%m-%d}: {rule.candidate.title}.",
        f"Made from {format_count(chosen, 'chosen row')}; on rows that it was not made from "
        f"its precision is {rule.precision:.0%} and its recall {rule.recall:.0%}.",
        "Join it with the keys of the same name above, and take one of the two formulas.",
        *describe_rule(rule, loaded).splitlines(),
    ]
    comment = [f"# {line}".rstrip() for line in said]
    start = old if old.endswith(("\n", "\r")) or not old else old + end
    return start + end + end.join(comment) + end


def _formulas(clause: str, keep: str) -> str:
    whole, term = " ".join(keep.split()), clause if clause.isidentifier() else f"({clause})"
    return (
        f"keep: ({whole}) & ~{term}  # to leave these rows out\n"
        f"keep: ({whole}) | {term}  # to keep them all\n"
    )


def _free_name(loaded: LoadedRecipe) -> str:
    taken, number = loaded.recipe.signals, 2
    name = NEW
    while name in taken:
        name, number = f"{NEW}_{number}", number + 1
    return name


def _to_yaml(value: dict[str, JsonValue]) -> str:
    from ruamel.yaml import YAML

    yaml, out = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style = False
    yaml.width = 4_096  # a text on one line stays one line, so that a comment holds it
    yaml.allow_unicode = True
    yaml.dump(value, out)
    return out.getvalue()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
