"""Models by name, loaded with the head they have and ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from siftset.schemas.errors import ModelError
from siftset.schemas.results.comparison import ModelInfo
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.models.loading import Loaded, load, locate_model, quiet_transformers

if TYPE_CHECKING:
    from siftset.trainer.inference.adapters import EvaluationModel


@dataclass(frozen=True, slots=True)
class ModelSide:
    """One model of the comparison and what is known of it.

    `model` is a MaskedModel, a Classifier or an Answerer, as the task asks.
    """

    model: object
    info: ModelInfo


def load_trained(name: str, task: TaskName, revision: str | None = None) -> Loaded:
    """Load a model with the head that its files hold; a classifier keeps its labels.

    Raises ModelError for a classifier whose head would be newly initialised.
    """
    labels = _read_labels(name, revision) if TASKS[task].labelled else ()
    loaded = load(task, name, revision=revision, labels=labels)
    if TASKS[task].labelled and loaded.untrained_head:
        raise ModelError(
            f"the model '{name}' is no trained classifier: it lacks "
            f"{', '.join(loaded.untrained_head[:3])}; train it first"
        )
    return loaded


def _read_labels(name: str, revision: str | None) -> tuple[str, ...]:
    from transformers import AutoConfig

    place = locate_model(name, revision)
    with quiet_transformers():
        config = AutoConfig.from_pretrained(
            place.path,
            revision=place.revision,
            local_files_only=place.local,
            trust_remote_code=False,
        )
    names = config.id2label or {}
    return tuple(str(label) for _, label in sorted(names.items(), key=lambda pair: int(pair[0])))


def wrap_model(loaded: Loaded, task: TaskName, max_length: int) -> EvaluationModel:
    """Wrap a loaded model as the comparison and prediction ask it."""
    adapter = TASKS[task].code.load("adapter")
    wrapped: EvaluationModel = adapter(loaded.model, loaded.tokenizer, max_length=max_length)
    return wrapped


def load_side(loaded: Loaded, task: TaskName, max_length: int) -> ModelSide:
    """Return a loaded model as one side of a comparison."""
    info = ModelInfo(
        name=loaded.name,
        revision=loaded.revision,
        parameters=sum(p.numel() for p in loaded.model.parameters()),
        head="untrained" if loaded.untrained_head else "trained",
    )
    return ModelSide(wrap_model(loaded, task, max_length), info)
