"""A proof in words and as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from siftset.schemas.plurals import format_count
from siftset.schemas.results.proof import Proof


def describe_proof(proof: Proof, page: Path) -> Iterator[str]:
    """Yield the lines that a person wants to read."""
    yield proof.sentence
    yield from proof.more
    if proof.blocks:
        yield (
            f"  {proof.blocks} blocks of {format_count(proof.block_rows, 'row')}, "
            f"{format_count(proof.questions, 'question')} in "
            f"{format_count(proof.groups, 'duplicate group')}, {proof.model}"
        )
    yield from (f"  note: {note}" for note in proof.notes)
    for line in proof.lines:
        found = line.difference.interval
        if found is not None and line.difference.value is not None:
            told = f"{line.opponent}, {line.method} of {line.rows:,}, {line.strength}"
            interval = f"({100 * found.low:+.1f} to {100 * found.high:+.1f})"
            yield (
                f"  {line.questions:<16}{told:<44}{100 * line.difference.value:>+6.1f}  {interval}"
            )
    yield f"  report    {page}"


def proof_json(proof: Proof, page: Path) -> dict[str, JsonValue]:
    """Return the JSON object of `--json`: what was found, flat where scripts look first."""
    found = proof.model_dump(mode="json")
    difference = proof.difference
    flat: dict[str, JsonValue] = {
        "verdict": proof.verdict,
        "difference": None if difference is None else difference.value,
        "interval": None,
        "blocks": proof.blocks,
        "questions": proof.questions,
        "groups": proof.groups,
        "examples_saved": found["examples_saved"],
    }
    if difference is not None and difference.interval is not None:
        flat["interval"] = [difference.interval.low, difference.interval.high]
    return {**flat, **{k: v for k, v in found.items() if k not in flat}, "report": str(page)}
