"""From the recipe's train section to a task with its model."""

from __future__ import annotations

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import TrainingData
from siftset.trainer.models.loading import Loaded, load
from siftset.trainer.models.mean_pooling import add_averaging_layer, averages, wants_mean
from siftset.trainer.tasks.base import Task, setting
from siftset.trainer.tasks.reading import count


def prepare_task(
    config: Train,
    data: TrainingData,
    *,
    seed: int,
    attention: str | None = None,
) -> Task:
    """Load the model for the task and what the data says of it (labels, template)."""
    from siftset.trainer.tasks.causal import CausalTask, choose_template
    from siftset.trainer.tasks.classification import ClassificationTask
    from siftset.trainer.tasks.labels import find_labels
    from siftset.trainer.tasks.mlm import MlmTask

    files = data.files
    if not count(files.get("train", ())):
        raise TrainingError(
            "the split train holds no rows: curate a set with rows, or change the split's shares"
        )
    labels = find_labels(files, config) if config.task == "classification" else None
    loaded = load(
        config.task,
        config.model,
        revision=config.revision,
        labels=labels.names if labels else (),
        seed=seed,
        attention=attention,
    )
    if labels is not None:
        _pool(config, loaded)
    made_of = setting(config, loaded, seed)
    if labels is not None:
        return ClassificationTask(made_of, labels)
    if config.task == "mlm":
        return MlmTask(made_of)
    return CausalTask(made_of, choose_template(data, config.template))


def _pool(config: Train, loaded: Loaded) -> None:
    """Let a new head read the mean state, where that is asked for or what the encoder is made for.

    A head that the files hold stays with what it was trained to read.
    """
    wanted = config.pooling == "mean" or (config.pooling == "auto" and wants_mean(config.model))
    if not wanted or not loaded.untrained_head or averages(loaded.model):
        return
    if not add_averaging_layer(loaded.model) and config.pooling == "mean":
        raise TrainingError(
            f"train.pooling: mean needs an encoder with the layers of BERT, and {loaded.name} is a "
            f"{loaded.model.config.model_type} model: use  pooling: first"
        )
