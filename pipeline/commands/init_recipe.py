"""A shipped recipe, filled with what was seen of the data: source, prompts, signals."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.commands.init_source import SourceGuess

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SENTENCE: Final = re.compile(r"[^.!?]+[.!?](?=\s|$)")
_WORDS: Final = ("true", "false", "yes", "no", "on", "off", "null", "none", "y", "n")


def fill_recipe(template: str, folder: Path, data: Path, source: SourceGuess) -> str:
    """Return a template's recipe for a source; guesses stand in comments beside their lines."""
    head, rest = template.split("source:\n", 1)
    tail = rest[rest.index("\n\n") :]
    lines = head.rstrip("\n").split("\n")
    while lines[-1].startswith("#"):  # what the template says of its sample
        lines.pop()
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in folder.resolve().name)
    name = safe.lstrip("._-") or "mine"
    lines = [f"name: {name}" if line.startswith("name:") else line for line in lines]
    for signal, definition in source.shape.signals.items():
        tail = tail.replace(
            "\nsignals:\n", f"\nsignals:\n  {signal}: {write_flow(definition)}\n", 1
        )
        tail = tail.replace("\nkeep: ", f"\nkeep: {signal} & ", 1)
    lengths = sorted(map(len, source.samples))
    if lengths:  # nine texts of ten are as long
        shortest = max(1, min(20, lengths[len(lengths) // 10]))
        tail = tail.replace("{length: {min: 20}}", f"{{length: {{min: {shortest}}}}}", 1)
    prompts = find_prompts(source.samples)
    if prompts:
        written = f"prompts: {write_flow(list(prompts))}"
        tail = re.sub(r'prompts: \[".*?"\]', lambda _: written, tail, count=1)
    if source.has_splits:
        tail = re.sub(r"(?m)^split: \{.*?\}", "split: {column: dataset_split}", tail, count=1)
    if source.shape.name == "preference pairs" and isinstance(source.mapping["messages"], list):
        rule = "  rows: {chosen: {differs_from: rejected}}\n"
        tail = tail.replace("\nintegrity:\n", f"\nintegrity:\n{rule}", 1)
    if source.unreadable is not None:
        said = "the first records have another number of fields"
        lines.append(f"# max_unreadable_share: {source.unreadable}    # some of {said}")
    body = "\n".join(_source_lines(folder, data, source))
    return "\n".join(lines).rstrip("\n") + f"\n\nsource:\n  files:\n{body}{tail}"


def find_prompts(texts: Iterable[str]) -> list[str]:
    """Return two short sentences of the data, their last word masked; fewer where it has fewer."""
    found: list[str] = []
    for text in texts:
        for sentence in _SENTENCE.findall(" ".join(text.split())):
            words = sentence[:-1].split()
            if 4 <= len(words) <= 12 and words[-1].isalpha() and "[" not in sentence:
                found.append(f"{' '.join(words[:-1])} [MASK]{sentence[-1]}")
                break
        if len(found) == 2:
            break
    return found


def _source_lines(folder: Path, data: Path, source: SourceGuess) -> Iterator[str]:
    notes = source.notes
    relative = os.path.relpath(data.resolve(), folder.resolve())
    keys: dict[str, JsonValue] = {"paths": [Path(relative).as_posix()], **source.file.keys}
    if source.partitions:
        keys["partitions"] = "hive"
        notes["partitions"] = f"{', '.join(source.partitions)}, from the folders' names"
    keys |= source.mapping
    for key, value in keys.items():
        said = notes.pop(key, "")
        line = f"    {key}: {write_flow(value)}"
        yield f"{line}{' ' * max(2, 34 - len(line))}# {said}" if said else line
    for said in notes.values():
        yield f"    # {said}"


def write_flow(value: JsonValue) -> str:
    """Write a value as YAML within one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{write_flow(k)}: {write_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
