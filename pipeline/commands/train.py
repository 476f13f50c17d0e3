"""From a version of the set to a model folder: what is trained on, where it goes, what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from siftset.pipeline.launch.task import (
    Launch,
    check_processes,
    check_proof,
    starts_processes,
)
from siftset.pipeline.launch.torchrun import launch_training
from siftset.pipeline.model_registry.fit import fit_model
from siftset.pipeline.model_registry.inputs import (
    SECTIONS_OF_TRAINING,
    model_id,
    train_section,
    training_data,
)
from siftset.pipeline.model_registry.leftovers import remove_leftovers
from siftset.pipeline.model_registry.options import TrainOptions
from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.model_registry.registry import MODELS, point_latest
from siftset.pipeline.model_registry.result import (
    REFUSED,
    RESULT,
    read_result,
)
from siftset.pipeline.proof.prove import prove
from siftset.pipeline.proof.publish import show_in_model
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.remote_output.push import push_output
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.stages.publish import name_unsent
from siftset.pipeline.storage.atomic_files import make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.remote import fetch_model
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import GateFailed
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.summary import TrainResult
from siftset.trainer.training.work_folder import last_checkpoint, work_folder


def train_recipe(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    options: TrainOptions | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train the recipe's model on a version of its set and compare it with the one before.

    The model lies in `models/<model_id>`, named after the version, the section and the base; a
    second run of the same returns the first one's result. Raises a SiftsetError, GateFailed where
    the run itself finds that its model should not be used.
    """
    shown = progress or Silent()
    loaded, store = open_store(
        recipe, overrides=overrides, uses=SECTIONS_OF_TRAINING, progress=shown
    )
    result = train_version(loaded, store, options or TrainOptions(), shown)
    refused = result.find(*REFUSED)
    if refused is not None:
        raise GateFailed(
            f"{refused.message}; the model is kept in {result.model}, but it is not `latest` and "
            "was not uploaded"
        )
    return result


def train_version(
    loaded: LoadedRecipe, store: Store, options: TrainOptions, progress: Progress
) -> TrainResult:
    """Train a recipe that is loaded on a version of its set that is at hand."""
    config = train_section(loaded)
    data = training_data(loaded, store, options.version)
    if data.lineage.tags:
        progress.say(f"train on version {data.lineage.named_version} of the set")
    changed = store.find_foreign_change()
    if changed:
        progress.say(
            f"warning: {store.path}: {changed}; trained on is version {data.lineage.version}"
        )
    models = store.output / MODELS
    out = models / model_id(config, data.lineage, loaded.recipe.seed)
    if options.resume and not options.again and (out / RESULT).is_file():
        fetch_model(out)
        return read_result(out)
    check_proof(loaded, config)
    starts = starts_processes(config)
    if not starts:
        check_processes(config)
    if not is_main_process():
        return fit_model(loaded, store, data, out, options, progress)
    with (
        hold_lock(make_writable_folder(models), timeout=options.lock_timeout),
        _name_checkpoint(out),
    ):
        remove_leftovers(models, out.name, progress)
        if starts:
            launch_training(Launch(loaded, config, options, out), progress)
            result = replace(read_result(out), new=True)
        else:
            result = fit_model(loaded, store, data, out, options, progress)
        if loaded.recipe.compare.arms:
            prove(loaded, progress=progress)
        report = show_in_model(store.output, out)
        write_index(store.output)
        if result.find(*REFUSED) is None:
            point_latest(models, out.name)
            if is_address(loaded.recipe.output):
                with name_unsent(loaded.recipe.output):
                    push_output(loaded)
        return replace(result, report=report)


@contextmanager
def _name_checkpoint(out: Path) -> Iterator[None]:
    """Note on what stops a training what stands of it, for the last line that the command says."""
    try:
        yield
    except Exception:
        raise
    except BaseException as stop:  # Ctrl-C, SIGTERM
        kept = last_checkpoint(work_folder(out))
        if (out / RESULT).is_file():
            stop.add_note(f"the model {out.name} is trained")
        elif kept is not None:
            step = kept.name.partition("-")[2]
            stop.add_note(f"a checkpoint at step {step} is kept: train again to resume")
        else:
            stop.add_note("no model was made")
        raise
