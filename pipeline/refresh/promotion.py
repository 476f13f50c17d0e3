"""The model after the set: trained when that is due, and current only past a gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.compare import write_comparison
from siftset.pipeline.commands.train import train_version
from siftset.pipeline.model_registry.inputs import SECTIONS_OF_TRAINING, model_id, train_section
from siftset.pipeline.model_registry.new_rows import count_changes
from siftset.pipeline.model_registry.options import TrainOptions
from siftset.pipeline.model_registry.registry import (
    MODELS,
    PENDING,
    current_model,
    current_name,
    list_models,
    promote_model,
    read_pending,
)
from siftset.pipeline.model_registry.result import REFUSED, RESULT
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh.metric_drop import find_change, find_metric_drop
from siftset.pipeline.storage.atomic_files import make_writable_folder, write_json
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import RUNS
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import Locked, RecipeError
from siftset.schemas.plurals import format_count
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.refresh import Refresh
from siftset.schemas.results.comparison import Comparison
from siftset.schemas.tasks import TASKS

_JUDGING: Final = ".judging"


@dataclass(frozen=True, slots=True)
class TrainingDue:
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
    loaded: LoadedRecipe, store: Store, progress: Progress
) -> dict[str, JsonValue] | None:
    """Train when due, compare with the current model, promote; None where nobody asked for it.

    A model that does not pass stays in its folder, and the answer says why.
    """
    if not loaded.recipe.refresh.may_train:
        return None
    models = store.output / MODELS
    try:
        with hold_lock(make_writable_folder(models / _JUDGING)):
            found = find_pending(loaded, store) or decide_training(
                loaded.recipe.refresh, store, lambda: _find_drop(loaded, store, progress)
            )
            if not found.is_due:
                return {"due": False, "why": found.why, "current": current_name(models)}
            write_json(models / PENDING, {"version": found.version, "why": found.why})
            answer = _train_and_promote(found, loaded, store, progress)
            (models / PENDING).unlink(missing_ok=True)
            return {"due": True, "why": found.why, **answer}
    except Locked:
        return {"due": False, "why": "another run is training", "current": None}


def find_pending(loaded: LoadedRecipe, store: Store) -> TrainingDue | None:
    """Return the training that an earlier refresh began and did not finish; None where none is.

    A newer version of the set takes its place, and a training by hand since then settles it.
    """
    models, newest = store.output / MODELS, store.version()
    pending = read_pending(models)
    if pending is None or newest is None:
        return None
    version, why = pending
    config, seed = train_section(loaded), loaded.recipe.seed
    own = ""
    if version in {commit.version for commit in store.history()}:
        own = model_id(config, store.commit_of(version), seed)
    began = (models / PENDING).stat().st_mtime
    for number, names in list_models(store.output).items():
        others = (models / name / RESULT for name in names if name != own)
        if number >= version and any(path.stat().st_mtime > began for path in others):
            (models / PENDING).unlink()
            return None
    if (models / own / RESULT).is_file() and own:  # trained, and perhaps not judged
        return TrainingDue(True, why, version)
    return TrainingDue(True, why, newest)


def decide_training(
    refresh: Refresh, store: Store, find_drop: Callable[[], str] = str
) -> TrainingDue:
    """Say whether the set moved far enough since the last training, and long enough ago.

    `find_drop` says what became worse; it is asked last, because that costs most.
    """
    version = store.version()
    if version is None:
        return TrainingDue(False, "there is no set yet")
    known = {commit.version for commit in store.history()}
    trained = max((v for v in list_models(store.output) if v in known), default=None)
    wait = _explain_wait(refresh, store)
    if wait:
        return TrainingDue(False, wait)
    news, wanted = count_changes(store, trained, version), refresh.retrain_after
    if wanted is not None and news.total >= wanted:
        return TrainingDue(True, f"{news}, {wanted:,} make it due", version)
    drift = _find_drift(store, trained, version) if refresh.retrain_on_drift else ""
    moved = drift or find_drop()
    if moved:
        return TrainingDue(True, moved, version)
    limit = "" if wanted is None else f", {wanted:,} make it due"
    since = "in a set never trained on" if trained is None else "since the last training"
    return TrainingDue(False, f"{news} {since}{limit}")


def _find_drop(loaded: LoadedRecipe, store: Store, progress: Progress) -> str:
    current = current_model(store.output / MODELS)
    if current is None:
        return ""
    return find_metric_drop(loaded, store, current, store.output / MODELS / _JUDGING, progress)


def _train_and_promote(
    due: TrainingDue, loaded: LoadedRecipe, store: Store, progress: Progress
) -> dict[str, JsonValue]:
    loaded.check_variables(*SECTIONS_OF_TRAINING)
    result = train_version(loaded, store, TrainOptions(version=due.version), progress)
    models, name = store.output / MODELS, result.model.name
    before, refresh = current_model(models), loaded.recipe.refresh
    passed, why = True, "the first model"
    refused = result.find(*REFUSED)
    if refused is not None:
        passed, why = False, refused.message
    elif before is not None and before.name != name:
        if refresh.promote == "always":
            why = "refresh.promote is 'always'"
        else:
            found, _ = write_comparison(loaded, store, str(before), str(result.model), progress)
            passed, why = judge_promotion(found, refresh)
    if passed and (before is None or before.name != name):
        promote_model(models, name, why)
    if not passed:
        progress.say(f"warning: model {name} is kept but not promoted: {why}")
    current = current_name(models)
    return {"model": str(result.model), "promoted": passed, "because": why, "current": current}


def judge_promotion(comparison: Comparison, refresh: Refresh) -> tuple[bool, str]:
    """Return whether the model after may take the place of the one before, and why."""
    forgot = comparison.forgetting
    if forgot is not None and forgot.verdict == "fail":
        rise = "" if forgot.increase is None else f" {forgot.increase:+.1%}"
        limit = "" if forgot.limit is None else f", at most {forgot.limit:+.1%} is allowed"
        return False, f"it forgets general text: perplexity{rise}{limit}"
    golden = comparison.golden
    changes = comparison.changes if golden is None else golden.changes
    metric = refresh.promote_metric or TASKS[comparison.task].main_metric
    change = find_change(changes, metric)
    if change is None or change.before is None or change.after is None:
        known = ", ".join(one.name for one in changes) or "none"
        return False, f"'{metric}' cannot be compared, known are {known}"
    on = "held-out rows" if golden is None else "the golden set"
    told = f"{metric} {change.before:.4g} before, {change.after:.4g} after, {change.n:,} of {on}"
    if refresh.promote == "better":
        return change.verdict == "better", f"{change.verdict}: {told}"
    return change.verdict in ("better", "no difference shown"), f"{change.verdict}: {told}"


def _explain_wait(refresh: Refresh, store: Store) -> str:
    """Say what keeps a training from being due, whatever is new."""
    rows = int(store.scan().select(pl.len()).collect().item())
    if refresh.retrain_minimum is not None and rows < refresh.retrain_minimum:
        return f"the set has {format_count(rows, 'row')}, fewer than {refresh.retrain_minimum:,}"
    times = [p.stat().st_mtime for p in (store.output / MODELS).glob(f"v*-*/{RESULT}")]
    hours = (datetime.now(UTC).timestamp() - max(times)) / 3600 if times else None
    # A time that is still to come is of a clock that was set back: it says nothing.
    if hours is not None and 0 <= hours < refresh.cooldown_hours:
        return f"the last training was {hours:.1f} hours ago, expected {refresh.cooldown_hours:g}"
    return ""


def _find_drift(store: Store, trained: int | None, version: int) -> str:
    """Say what drifted in the runs since the last training, from what those runs measured."""
    for commit in store.history():
        if (trained is not None and commit.version <= trained) or commit.version > version:
            continue
        metrics = read_metrics(store.output / RUNS / commit.run_id / METRICS)
        for one in metrics.drift if metrics is not None else ():
            if one.level != "pass":
                return f"drift of {one.key}: {one.value:.3g} against {one.against}"
    return ""
