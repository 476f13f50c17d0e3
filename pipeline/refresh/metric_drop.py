"""A drop of the current model's metric: as it was when trained, and on the held-out rows now."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from siftset.pipeline.commands.compare import write_comparison
from siftset.pipeline.model_registry.result import COMPARE_JSON
from siftset.pipeline.storage.atomic_files import read_json, write_json
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.results.comparison import Change, Comparison
from siftset.schemas.tasks import TASKS

NOTE: Final = "drop.json"


def find_metric_drop(
    loaded: LoadedRecipe, store: Store, model: Path, folder: Path, progress: Progress
) -> str:
    """Ask a model about the held-out rows of the set now; say what dropped too far, else "".

    Each version is asked about once: a note in `folder` says which one was.
    """
    refresh = loaded.recipe.refresh
    limit, path = refresh.retrain_on_drop, model / COMPARE_JSON
    if limit is None or not path.is_file():
        return ""
    note, asked = folder / NOTE, {"model": model.name, "version": store.version()}
    with suppress(OutputError):
        said = read_json(note)
        if {name: said.get(name) for name in asked} == asked:
            return str(said.get("drop", ""))
    now, _ = write_comparison(loaded, store, str(model), str(model), progress)
    then = Comparison.model_validate_json(path.read_bytes())
    drop = describe_drop(then, now, refresh.promote_metric, limit)
    write_json(
        note, {**asked, "drop": drop}
    )  # once it is known: an asking that is cut off starts again
    return drop


def describe_drop(then: Comparison, now: Comparison, metric: str | None, limit: float) -> str:
    """Say how far a metric dropped where that is further than a share of what it was, else ""."""
    name = metric or TASKS[then.task].main_metric
    was, is_now = find_change(then.changes, name), find_change(now.changes, name)
    if was is None or is_now is None or was.after is None or is_now.after is None:
        return ""
    loss = was.after - is_now.after if is_now.higher_is_better else is_now.after - was.after
    if loss <= limit * abs(was.after):
        return ""
    return f"{name} of the current model {was.after:.4g} when trained, {is_now.after:.4g} now"


def find_change(changes: tuple[Change, ...], name: str) -> Change | None:
    """Return what is said of one metric; None where nothing is."""
    return next((change for change in changes if change.name == name), None)
