"""What changed in a recipe between two runs: a number, a list of words, code, or the formula."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from siftset.schemas.results.difference import Reason, RecipeChange

_LISTS: Final = ("words", "list", "phrases", "patterns", "terms", "entries", "file", "lexicon")
_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ELSEWHERE: Final = ("name", "output", "train", "compare")
"""Sections that decide no row."""
_MOST_KEYS: Final = 50
_RULES: Final = ("integrity", "dedupe", "prepare", "record", "max_fault_rate")


@dataclass(frozen=True, slots=True)
class DefinitionChanges:
    """What decides rows in another way than before."""

    signals: Mapping[str, Reason] = field(default_factory=dict)
    """The signals that answer in another way, and what of them changed."""
    formula: Reason | None = None
    """Set where the formula itself changed: `threshold` where only numbers of it did."""
    rules: bool = False
    """Whether row rules, suites or duplicates are treated otherwise."""
    dedupe: bool = False
    selects: bool = False
    """Whether either side takes only some of the rows that the formula keeps."""
    has_ids: bool = True
    """Whether ids name the records, so that a row may keep its id and change its text."""
    same_inputs: frozenset[str] = frozenset()
    """Names of the inputs that are the same on both sides."""

    @property
    def main(self) -> Reason | None:
        """What explains a row of which only one side has a record."""
        return (
            next(iter(self.signals.values()), None)
            or self.formula
            or ("rule" if self.rules else None)
        )


def compare_definitions(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> DefinitionChanges:
    """Compare the manifests of two runs; an empty one says nothing, and then nothing changed."""
    if not before or not after:
        return DefinitionChanges()
    old, new = _section(before, "signals"), _section(after, "signals")
    documents = [_section(_section(side, "recipe"), "document") for side in (before, after)]
    written = [_section(document, "signals") for document in documents]
    signals = {
        name: _name_change(written[0].get(name), written[1].get(name))
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    }
    formulas = [str(_section(side, "formula").get("canonical", "")) for side in (before, after)]
    changed: Reason | None = None
    if formulas[0] != formulas[1]:
        same = _NUMBER.sub("#", formulas[0]) == _NUMBER.sub("#", formulas[1])
        changed = "threshold" if same else "formula"
    rules = [{name: doc.get(name) for name in _RULES} for doc in documents]
    inputs = [_name_inputs(side) for side in (before, after)]
    return DefinitionChanges(
        signals,
        changed,
        rules=rules[0] != rules[1],
        dedupe=rules[0]["dedupe"] != rules[1]["dedupe"],
        selects=any(_chooses_rows(side) for side in documents),
        has_ids=any(_names_ids(document.get("source")) for document in documents),
        same_inputs=frozenset(name for name, _ in inputs[0] & inputs[1]),
    )


def list_recipe_changes(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> tuple[RecipeChange, ...]:
    """Return the keys that the recipes of two manifests set otherwise, models left out."""
    if not before or not after:
        return ()
    documents = [_section(_section(side, "recipe"), "document") for side in (before, after)]
    written = [
        {
            ".".join(path): text
            for name, section in document.items()
            if name not in _ELSEWHERE
            for path, text in _flatten(section, (name,), whole_lists=True)
        }
        for document in documents
    ]
    keys = dict.fromkeys([*written[0], *written[1]])
    return tuple(
        RecipeChange(key=key, before=written[0].get(key, ""), after=written[1].get(key, ""))
        for key in keys
        if written[0].get(key) != written[1].get(key)
    )[:_MOST_KEYS]


def _name_change(before: JsonValue, after: JsonValue) -> Reason:
    """Say what of a signal's definition changed; where nothing written did, what it rests on."""
    old, new = dict(_flatten(before)), dict(_flatten(after))
    paths = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    if any(part in _LISTS for path in paths for part in path):
        return "list"
    if paths and all(_is_number(side.get(path)) for path in paths for side in (old, new)):
        return "threshold"
    if paths:
        return "formula"
    return "list" if any(part in _LISTS for path in new for part in path) else "code"


def _flatten(
    value: JsonValue, path: tuple[str, ...] = (), *, whole_lists: bool = False
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what a section sets, key by key; lists as JSON where they stay `whole`."""
    items: list[tuple[str, JsonValue]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and not whole_lists:
        items = [(str(at), one) for at, one in enumerate(value)]
    else:
        yield path, json.dumps(value, ensure_ascii=False) if whole_lists else repr(value)
    for name, one in items:
        yield from _flatten(one, (*path, name), whole_lists=whole_lists)


def _is_number(text: str | None) -> bool:
    """Say whether a leaf is a number, or is not set and stands for its default."""
    return text is None or _NUMBER.fullmatch(text) is not None


def _names_ids(source: JsonValue) -> bool:
    """Say whether any part of a recipe's source has a key `id`."""
    return any(path[-1:] == ("id",) for path, _ in _flatten(source))


def _name_inputs(side: Mapping[str, JsonValue]) -> set[tuple[str, str]]:
    inputs = side.get("inputs")
    entries = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    return {(str(one.get("name")), str(one.get("fingerprint"))) for one in entries}


def _section(value: Mapping[str, JsonValue], name: str) -> Mapping[str, JsonValue]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _chooses_rows(document: Mapping[str, JsonValue]) -> bool:
    label = document.get("label")
    cuts = isinstance(label, dict) and label.get("keep_share") is not None
    return cuts or document.get("select") is not None
