"""What a run is judged to be, before and after it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from siftset.schemas.errors import SiftsetError
from siftset.schemas.results.metrics import Check, RunMetrics, Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    """The metrics of a run, and why it may not be published if so."""

    metrics: RunMetrics
    refusal: SiftsetError | None = None
    faults: tuple[dict[str, str], ...] = ()
    data_docs: Path | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Checks, and the verdict they come to."""

    verdict: Verdict
    checks: tuple[Check, ...] = ()
    refusal: SiftsetError | None = None
    data_docs: Path | None = None
