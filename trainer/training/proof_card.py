"""The part of a model card that says whether the curation helped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.results.proof import Proof
from siftset.trainer.training.model_card import CAME_FROM, markdown_table

HELPED: Final = "## Did the curation help?"


def add_proof(folder: Path, proof: Proof) -> None:
    """Write a proof of the set into a model's card, in the place of an earlier one."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8")
    start, end = text.find(HELPED), text.find(CAME_FROM)
    rows = []
    for one in proof.lines:
        found = one.difference.interval
        if found is not None and one.difference.value is not None:
            interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
            difference = f"{100 * one.difference.value:+.1f} [{interval}]"
            method = f"{one.pairs} {one.method} of {one.rows:,}"
            rows.append((one.questions, one.opponent, method, one.strength, difference))
    unit = "points of accuracy" if proof.unit == "points" else "% of the loss"
    header = ("Questions", "Against", "Method", "Strength", f"Difference, {unit}")
    said = (
        f"{proof.model}; {format_count(proof.questions, 'held-out row')} of everything read, "
        f"in {format_count(proof.groups, 'duplicate group')}."
    )
    part = "\n\n".join((HELPED, proof.sentence, *proof.more, said, markdown_table(header, rows)))
    draft = folder / ".README.md.part"
    first = text[: end if start < 0 else start]
    draft.write_text(hide_values(f"{first}{part}\n\n{text[end:]}"), encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105
