"""The model after the set: trained when that is due, and current only past a gate.

models/current          the model to use, a link that changes at once
models/promotions.json  which model took which one's place
models/pending.json     a training that is under way, which the next refresh finishes
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh.metric_drop import metric_drop, noted
from siftset.pipeline.refresh.versions import models_of
from siftset.pipeline.storage.atomic_files import make_writable_folder, read_json, sync, write_json
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.remote import fetch_model
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import Locked, OutputError, RecipeError
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.refresh import Refresh
from siftset.schemas.results.comparison import Change, Comparison
from siftset.schemas.tasks import TASKS

MODELS: Final = "models"
CURRENT: Final = "current"
PENDING: Final = "pending.json"
PROMOTIONS: Final = "promotions.json"
_JUDGING: Final = ".judging"


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a training is due, and why or why not."""

    is_due: bool
    why: str
    version: int | None = None


def check_triggers(loaded: LoadedRecipe) -> None:
    """Raise RecipeError where training is wanted and the recipe does not say what to train."""
    if loaded.recipe.refresh.may_train and loaded.recipe.train is None:
        raise RecipeError(
            f"{loaded.path}: refresh.retrain_after, retrain_on_drift or retrain_on_drop asks for "
            "training, but there is no section 'train': add one such as  "
            "train: {task: mlm, model: minilm}"
        )


def renew_model(
    loaded: LoadedRecipe, recipe: str | Path, overrides: Sequence[str], progress: Progress
) -> dict[str, JsonValue] | None:
    """Train when due, compare with the current model, promote; None where nobody asked for it.

    A model that does not pass stays in its folder, and the answer says why.
    """
    from siftset.pipeline.storage.address import output_folder

    refresh, store = loaded.recipe.refresh, Store(output_folder(loaded))
    if not refresh.may_train:
        return None
    models = store.output / MODELS
    try:
        with hold_lock(make_writable_folder(models / _JUDGING)):
            found = _pending(models) or due(
                refresh, store, lambda: _dropped(refresh, store, (recipe, overrides), progress)
            )
            if not found.is_due:
                return {"due": False, "why": found.why, "current": _name(current_model(models))}
            write_json(models / PENDING, {"version": found.version, "why": found.why})
            answer = _train(found, store, recipe, overrides, progress)
            (models / PENDING).unlink()
            return {"due": True, "why": found.why, **answer}
    except Locked:
        return {"due": False, "why": "another run is training", "current": None}


def due(refresh: Refresh, store: Store, dropped: Callable[[], str] = str) -> Due:
    """Say whether the set moved far enough since the last training, and long enough ago.

    `dropped` says what became worse; it is asked last, because that costs most.
    """
    version = store.version()
    if version is None:
        return Due(False, "there is no set yet")
    trained = max((v for v in models_of(store.output) if v <= version), default=None)
    wait = _waits(refresh, store)
    if wait:
        return Due(False, wait)
    new = new_rows(store, trained, version)
    if refresh.retrain_after is not None and new >= refresh.retrain_after:
        return Due(True, f"{new:,} new rows, {refresh.retrain_after:,} make it due", version)
    drifted = _drifted(store, trained, version) if refresh.retrain_on_drift else ""
    moved = drifted or dropped()
    if moved:
        return Due(True, moved, version)
    wanted = "" if refresh.retrain_after is None else f", {refresh.retrain_after:,} make it due"
    since = "in a set never trained on" if trained is None else "since the last training"
    return Due(False, f"{new:,} new rows {since}{wanted}")


def _dropped(
    refresh: Refresh, store: Store, asked: tuple[str | Path, Sequence[str]], progress: Progress
) -> str:
    """Say which metric of the current model dropped, asking once about each version."""
    models = store.output / MODELS
    current = current_model(models)
    if refresh.retrain_on_drop is None or current is None:
        return ""
    return (
        ""
        if noted(models / _JUDGING, current, store)
        else metric_drop(current, asked, refresh, progress)
    )


def new_rows(store: Store, trained: int | None, version: int) -> int:
    """Count the rows of a version that the one trained on lacks."""
    ids = store.scan(version).select(pl.col("row_id").hash(0)).collect().to_series().to_numpy()
    if trained is None:
        return len(ids)
    before = store.scan(trained).select(pl.col("row_id").hash(0)).collect().to_series().to_numpy()
    return len(np.setdiff1d(ids, before, assume_unique=True))


def current_model(models: Path) -> Path | None:
    """Return the folder of the model that is current; None where there is none."""
    link = models / CURRENT
    return link.resolve() if link.is_symlink() and link.is_dir() else None


def promote(models: Path, name: str, why: str) -> None:
    """Make a model the current one, at once, and note which one it replaces."""
    before = current_model(models)
    log = _promotions(models)
    entry: dict[str, JsonValue] = {
        "model": name,
        "replaced": _name(before),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": why,
    }
    write_json(models / PROMOTIONS, {"promotions": [*log, entry]})
    point(models, name)


def roll_back_model(models: Path) -> str:
    """Make the model before the current one current again; return its name."""
    now = _name(current_model(models))
    made = [entry for entry in _promotions(models) if entry["model"] == now]
    before = made[-1]["replaced"] if made else None
    if now is None or not isinstance(before, str) or not (models / before).is_dir():
        raise OutputError(
            f"{models} has no model before the current one: name a version of the set to bring "
            "back with  --version N"
        )
    fetch_model(models / before)
    point(models, before)
    return before


def point(models: Path, name: str) -> None:
    """Make a model the current one, at once, and note nothing."""
    draft = models / f".{CURRENT}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(name, target_is_directory=True)
    draft.replace(models / CURRENT)
    sync(models)


def _train(
    found: Due, store: Store, recipe: str | Path, overrides: Sequence[str], progress: Progress
) -> dict[str, JsonValue]:
    from siftset.pipeline.commands.train import TrainOptions, train_recipe

    options = TrainOptions(version=found.version)
    result = train_recipe(recipe, overrides=overrides, options=options, progress=progress)
    models, name = store.output / MODELS, result.model.name
    before = current_model(models)
    passed, why = True, "the first model"
    if before is not None and before.name != name:
        passed, why = _judge(recipe, before, result.model, overrides, progress)
    if passed and (before is None or before.name != name):
        promote(models, name, why)
    if not passed:
        progress.say(f"warning: model {name} is kept but not promoted: {why}")
    now = _name(current_model(models))
    return {"model": str(result.model), "promoted": passed, "because": why, "current": now}


def _judge(
    recipe: str | Path, before: Path, after: Path, overrides: Sequence[str], progress: Progress
) -> tuple[bool, str]:
    """Ask both models the same questions and hold the answer against the recipe's gate."""
    from siftset.pipeline.commands.train import compare_models
    from siftset.pipeline.model_registry.result import COMPARE_JSON
    from siftset.schemas.recipe.loading import load_recipe

    refresh = load_recipe(recipe, overrides=overrides, uses=("refresh",)).recipe.refresh
    if refresh.promote == "always":
        return True, "refresh.promote is 'always'"
    found = compare_models(
        recipe, before=str(before), after=str(after), overrides=overrides, progress=progress
    )
    path = Path(str(found["report"])).with_name(COMPARE_JSON)
    return judged(Comparison.model_validate_json(path.read_bytes()), refresh)


def judged(comparison: Comparison, refresh: Refresh) -> tuple[bool, str]:
    """Return whether the model after may take the place of the one before, and why."""
    forgot = comparison.forgetting
    if forgot is not None and forgot.verdict == "fail":
        rise = "" if forgot.increase is None else f" {forgot.increase:+.1%}"
        limit = "" if forgot.limit is None else f", at most {forgot.limit:+.1%} is allowed"
        return False, f"it forgets general text: perplexity{rise}{limit}"
    golden = comparison.golden
    changes = comparison.changes if golden is None else golden.changes
    metric = refresh.promote_metric or TASKS[comparison.task].main_metric
    change = next((one for one in changes if one.name == metric), None)
    if change is None or change.before is None or change.after is None:
        return False, f"'{metric}' cannot be compared, known are {_names(changes)}"
    on = "held-out rows" if golden is None else "the golden set"
    told = f"{metric} {change.before:.4g} before, {change.after:.4g} after, {change.n:,} of {on}"
    if refresh.promote == "better":
        return change.verdict == "better", f"{change.verdict}: {told}"
    return change.verdict in ("better", "no difference shown"), f"{change.verdict}: {told}"


def _names(changes: Sequence[Change]) -> str:
    return ", ".join(change.name for change in changes) or "none"


def _pending(models: Path) -> Due | None:
    if not (models / PENDING).is_file():
        return None
    said = read_json(models / PENDING)
    return Due(True, str(said["why"]), int(str(said["version"])))


def _waits(refresh: Refresh, store: Store) -> str:
    """Say what keeps a training from being due, whatever is new."""
    rows = int(store.scan().select(pl.len()).collect().item())
    if refresh.retrain_minimum is not None and rows < refresh.retrain_minimum:
        return f"the set has {rows:,} rows, fewer than {refresh.retrain_minimum:,}"
    times = [p.stat().st_mtime for p in (store.output / MODELS).glob("v*-*/training.json")]
    hours = (datetime.now(UTC).timestamp() - max(times)) / 3600 if times else None
    if hours is not None and hours < refresh.cooldown_hours:
        return f"the last training was {hours:.1f} hours ago, expected {refresh.cooldown_hours:g}"
    return ""


def _drifted(store: Store, trained: int | None, version: int) -> str:
    """Say what drifted in the runs since the last training, from what those runs measured."""
    for commit in store.history():
        if (trained is not None and commit.version <= trained) or commit.version > version:
            continue
        metrics = read_metrics(store.output / "runs" / commit.run_id / METRICS)
        for one in metrics.drift if metrics is not None else ():
            if one.level != "pass":
                return f"drift of {one.key}: {one.value:.3g} against {one.against}"
    return ""


def _promotions(models: Path) -> list[dict[str, JsonValue]]:
    if not (models / PROMOTIONS).is_file():
        return []
    found = json.loads((models / PROMOTIONS).read_bytes()).get("promotions", [])
    return [dict(entry) for entry in found]


def _name(folder: Path | None) -> str | None:
    return None if folder is None else folder.name
