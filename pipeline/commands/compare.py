"""Two models asked the same questions, about one version of the set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.model_registry.inputs import (
    SECTIONS_OF_TRAINING,
    compare_section,
    train_section,
    training_data,
)
from siftset.pipeline.model_registry.new_rows import weight_new_rows
from siftset.pipeline.model_registry.registry import MODELS, latest_model, locate_model
from siftset.pipeline.model_registry.result import COMPARE_JSON, render_comparison
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.run_folder import json_digest
from siftset.pipeline.storage.table import Store
from siftset.schemas.plurals import format_count
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.comparison import Comparison

COMPARISONS: Final = "comparisons"


def compare_models(
    recipe: RecipeLike,
    *,
    before: str | None = None,
    after: str | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, JsonValue]:
    """Compare two models (by default the base and the latest trained) and return the figures.

    The dictionary has task, before, after, metrics, changes (the headline first, with intervals and
    verdicts), findings, and report, the page that was written.
    """
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS_OF_TRAINING)
    new = locate_model(after) if after is not None else str(latest_model(store.output / MODELS))
    old = locate_model(before) if before is not None else train_section(loaded).model
    found, report = write_comparison(loaded, store, old, new, progress or Silent())
    return {
        "task": found.task,
        "before": old,
        "after": new,
        "metrics": {side: dict(values) for side, values in found.metrics.items()},
        "changes": [change.model_dump(mode="json") for change in found.changes],
        "findings": [asdict(finding) for finding in found.findings],
        "report": str(report),
    }


def write_comparison(
    loaded: LoadedRecipe, store: Store, before: str, after: str, progress: Progress
) -> tuple[Comparison, Path]:
    """Compare two models on the current version; return the figures and their page."""
    from siftset.trainer.comparison import ComparisonRequest, compare_folders
    from siftset.trainer.comparison.predictions import PREDICTIONS
    from siftset.trainer.train import require_extra

    require_extra()
    config = train_section(loaded)
    seed = loaded.recipe.seed if config.seed is None else config.seed
    data = training_data(loaded, store, None)
    data = weight_new_rows(data, store, weight=config.new_rows_weight, progress=progress)
    predictions: list[pl.DataFrame] = []
    asked = ComparisonRequest(
        compare_section(loaded), config, loaded.folder, seed, predictions.append
    )
    with progress.stage("compare"):
        found = compare_folders(before, after, data, asked)
    folder = store.output / COMPARISONS / json_digest([before, after, data.lineage.run_id])[:12]
    make_writable_folder(folder)
    for frame in predictions:
        with atomic_write(folder / PREDICTIONS) as draft:
            frame.write_parquet(draft)
    with atomic_write(folder / COMPARE_JSON) as draft:
        draft.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    return found, render_comparison(folder)


def describe_comparison(report: Path) -> Iterator[str]:
    """Yield the lines that a person wants to read of a comparison, given its page."""
    found = Comparison.model_validate_json(report.with_name(COMPARE_JSON).read_bytes())
    yield (
        f"Compared {found.before.name} with {found.after.name} on "
        f"{format_count(found.questions.rows, 'row')}"
    )
    if found.questions.unit != "row" and found.questions.units is not None:
        yield (
            f"  intervals draw {format_count(found.questions.units, 'group')} of rows, not single "
            "rows"
        )
    yield f"  {'':<20}{'before':>12}{'after':>12}{'difference':>12}"
    for one in found.changes:
        figures = [one.before, one.after, one.difference]
        shown = "".join(f"{'' if value is None else f'{value:.4g}':>12}" for value in figures)
        within = ""
        if one.interval is not None:
            within = f" ({one.interval.low:+.3g} to {one.interval.high:+.3g})"
        yield f"  {one.name:<20}{shown}  {one.verdict}{within}"
    yield from (f"  warning: {warning}" for warning in found.warnings)
    yield from (f"  {one.level}: {one.message}" for one in found.findings if one.level != "note")
    yield from (f"  {note}" for note in found.notes)
    yield f"  report    {report}"
