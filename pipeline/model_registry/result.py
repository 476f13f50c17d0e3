"""What a training run left in its model folder: its result, and the page that compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import atomic_write, read_json
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.results.proof import Proof
from siftset.schemas.results.summary import Finding, TrainResult

RESULT: Final = "training.json"
COMPARE_JSON: Final = "compare.json"
COMPARE_HTML: Final = "compare.html"
REFUSED: Final = ("forgetting", "diverging", "not a number")
"""Findings of a run that keep its model from use: it is neither `latest` nor current, and its
weights are not uploaded, whichever command trained it."""


def read_result(out: Path) -> TrainResult:
    """Return the result of a training run from its folder."""
    found = read_json(out / RESULT)
    if not (out / COMPARE_HTML).is_file():
        render_comparison(out)
    head = found.get("untrained_head")
    metrics: dict[str, dict[str, float | None]] = json.loads(json.dumps(found.get("metrics") or {}))
    return TrainResult(
        model=out,
        task=str(found["task"]),
        metrics=metrics,
        report=out / COMPARE_HTML,
        seconds=float(str(found["seconds"])),
        steps=int(str(found.get("steps", 0))),
        findings=_read_findings(found),
        untrained_head=tuple(map(str, head if isinstance(head, list) else ())),
        tokens_per_second=float(str(found.get("tokens_per_second", 0))),
        hardware=_as_object(found.get("hardware")),
        details=_as_object(found.get("details")),
        new=False,
    )


def is_refused(out: Path) -> bool:
    """Say whether a trained model is kept in its folder for looking at alone."""
    return any(one.name in REFUSED for one in _read_findings(read_json(out / RESULT)))


def _read_findings(result: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
    found = result.get("findings")
    return tuple(
        Finding(**one)  # type: ignore[arg-type]
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict)
    )


def render_comparison(folder: Path, proof: Proof | None = None) -> Path:
    """Write compare.html from compare.json, and from a proof; return where it lies."""
    from siftset.pipeline.reports.compare import compare_report
    from siftset.schemas.results.comparison import Comparison
    from siftset.trainer.comparison.predictions import PREDICTIONS

    comparison = Comparison.model_validate_json((folder / COMPARE_JSON).read_bytes())
    answers = PREDICTIONS if (folder / PREDICTIONS).is_file() else ""
    page = compare_report(comparison, proof, predictions=answers)
    with atomic_write(folder / COMPARE_HTML) as draft:
        draft.write_text(hide_values(page), encoding="utf-8")
    return folder / COMPARE_HTML


def _as_object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
