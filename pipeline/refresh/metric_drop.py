"""A drop of the current model's metric: as it was when trained, and on the held-out rows now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import read_json, write_json
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.refresh import Refresh
from siftset.schemas.results.comparison import Change, Comparison
from siftset.schemas.tasks import TASKS

NOTE: Final = "drop.json"


def metric_drop(
    model: Path, asked: tuple[str | Path, Sequence[str]], refresh: Refresh, progress: Progress
) -> str:
    """Ask the current model about the held-out rows of the set now; say what dropped too far.

    `asked` is the recipe with its overrides.
    """
    from siftset.pipeline.commands.train import compare_models
    from siftset.pipeline.model_registry.result import COMPARE_JSON

    limit = refresh.retrain_on_drop
    if limit is None or not (model / COMPARE_JSON).is_file():
        return ""
    recipe, overrides = asked
    found = compare_models(
        recipe, before=str(model), after=str(model), overrides=overrides, progress=progress
    )
    now = _read(Path(str(found["report"])).with_name(COMPARE_JSON))
    return too_far(_read(model / COMPARE_JSON), now, refresh.promote_metric, limit)


def too_far(then: Comparison, now: Comparison, metric: str | None, limit: float) -> str:
    """Say how far a metric dropped where that is further than a share of what it was, else ""."""
    name = metric or TASKS[then.task].main_metric
    was, is_now = _change(then, name), _change(now, name)
    if was is None or is_now is None or was.after is None or is_now.after is None:
        return ""
    loss = was.after - is_now.after if is_now.higher_is_better else is_now.after - was.after
    if loss <= limit * abs(was.after):
        return ""
    return f"{name} of the current model {was.after:.4g} when trained, {is_now.after:.4g} now"


def noted(folder: Path, model: Path, store: Store) -> bool:
    """Return whether this model was asked about this version before, and note that it is."""
    path, said = folder / NOTE, {"model": model.name, "version": store.version()}
    if path.is_file() and read_json(path) == said:
        return True
    write_json(path, said)
    return False


def _read(path: Path) -> Comparison:
    return Comparison.model_validate_json(path.read_bytes())


def _change(comparison: Comparison, name: str) -> Change | None:
    return next((change for change in comparison.changes if change.name == name), None)
