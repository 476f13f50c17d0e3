"""One statement of a report: what stands out, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from siftset.pipeline.reports.page import Level, Status

_FIGURES: Final = re.compile(r"\d[\d,.]*%?|\([^()]*\)")
WORST_FIRST: Final[dict[Level, int]] = {"fail": 0, "warn": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class ReportFinding:
    """One statement about a run."""

    part: str
    level: Level
    claim: str
    todo: str = ""
    note: str = ""
    """What the suite says of it."""
    command: str = ""
    """What one can type to act on it; empty where the recipe has no file."""
    about: str = ""
    """What it is about, where its words name more than figures that change from run to run."""

    @property
    def topic(self) -> tuple[str, str]:
        """What tells this finding from others, and is the same in the next run."""
        return self.part, _FIGURES.sub("", self.about or self.claim)


def rank_statements(found: Iterable[ReportFinding]) -> list[ReportFinding]:
    """Return statements with the most severe first, else in the order of the parts."""
    return sorted(found, key=lambda one: WORST_FIRST[one.level])


def part_status(found: tuple[ReportFinding, ...], part: str, *, measured: bool) -> Status:
    """Return how a part stands: its worst finding, or none when nothing was measured."""
    levels = {one.level for one in found if one.part == part}
    if "fail" in levels:
        return "fail"
    if "warn" in levels:
        return "warn"
    return "pass" if measured else "none"
