"""The part of a model card that says whether the curation helped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from siftset.schemas.results.comparison import ArmsTable, Estimate
from siftset.trainer.training.model_card import (
    CAME_FROM,
    format_figure,
    format_interval,
    markdown_table,
)

HELPED: Final = "## Ablation: did the curation help?"


def add_arms(folder: Path, arms: ArmsTable) -> None:
    """Write the comparison of arms into a model's card, in the place of an earlier one."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8")
    start, end = text.find(HELPED), text.find(CAME_FROM)
    first = text[: end if start < 0 else start]
    rows = [
        (
            arm.name,
            "" if arm.rows is None else f"{arm.rows:,}",
            _format_estimate(arm.metrics.get(arms.main)),
            _format_estimate(arm.difference),
            arm.verdict,
        )
        for arm in arms.arms
    ]
    said = f"The same budget ({arms.budget}), asked the same {arms.n:,} held-out rows."
    header = ("Trained on", "Rows", arms.main, "Less the first", "Verdict")
    table = "\n\n".join((HELPED, said, markdown_table(header, rows)))
    with_arms = f"{first}{table}\n\n{text[end:]}"
    part = folder / ".README.md.part"
    part.write_text(with_arms, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105


def _format_estimate(one: Estimate | None) -> str:
    return "" if one is None else f"{format_figure(one.value)} [{format_interval(one.interval)}]"
