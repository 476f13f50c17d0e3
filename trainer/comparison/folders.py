"""Two model folders compared on the held-out rows of a set, outside a training run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import ModelError, TrainingError
from siftset.schemas.recipe.section import label_text
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.comparison import BeforeKind, Comparison
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.chat_questions import ChatQuestions, write_chats
from siftset.trainer.comparison.compare import compare_models
from siftset.trainer.comparison.context import ComparisonSetting
from siftset.trainer.comparison.questions import QuestionSet, gather_questions, write_pairs
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import Encoder
from siftset.trainer.models.loading import locate_model
from siftset.trainer.tasks.labels import find_class_weights, find_labels, list_labels
from siftset.trainer.tasks.reading import choose_sample
from siftset.trainer.tasks.templates import find_template

MAX_LENGTH: Final = 512
COMPARISON: Final = "compare.json"
"""What a trained model's folder says of its training."""


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """What a comparison of folders is told besides the models and the data."""

    compare: Compare = field(default_factory=Compare)
    train: Train | None = None
    folder: Path = field(default_factory=Path)
    seed: int = 0
    keep: Callable[[pl.DataFrame], None] = lambda _: None
    """Takes what every model said of every held-out row."""

    def max_length(self, model: str) -> int:
        """Return the tokens of an input: as trained, else as the recipe says."""
        from siftset.trainer.inference.usage_snippets import read_usage

        recipe = self.train.max_length if self.train is not None else MAX_LENGTH
        return read_usage(model).max_length or recipe


def compare_folders(
    before: str | None, after: str, data: TrainingData, ask: ComparisonRequest
) -> Comparison:
    """Compare two models by name on the test rows (else the validation rows) of a set.

    A classifier without a model before, or with one that has no trained head, is compared with a
    linear probe on that model's frozen features. Raises ModelError or TrainingError.
    """
    from siftset.trainer.inference.usage_snippets import read_usage

    task = read_usage(after).task
    split = _choose_split(data)
    questions = _gather_questions(data, split, task, ask, after)
    if questions.train is not None:
        questions = _take_training_rows(questions, questions.train, after, data, ask)
    new = _load_side(after, task, ask)
    old, kind, encoder = _load_before(before, task, ask)
    provenance: dict[str, JsonValue] = {
        "split": split,
        "set_version": data.lineage.version,
        "run_id": data.lineage.run_id,
        "recipe_hash": data.lineage.recipe_hash,
        "formula": data.lineage.formula,
    }
    setting = ComparisonSetting(
        ask.compare, ask.folder, kind, encoder, provenance, data.group, ask.keep
    )
    return compare_models(task, old, new, questions, setting)


def _take_training_rows(
    questions: QuestionSet,
    train: pl.DataFrame,
    model: str,
    data: TrainingData,
    ask: ComparisonRequest,
) -> QuestionSet:
    """Let the baselines see the rows that the model saw, with the weights that it had.

    Its own folder says which; for a model trained elsewhere the recipe does.
    """
    record, config = Path(model) / COMPARISON, ask.train or Train(task="classification")
    sample, seed = config.max_train_samples, ask.seed
    if record.is_file():
        made = Comparison.model_validate_json(record.read_bytes()).provenance
    else:
        made = {}
    if "class_weights" in made:
        told = json.loads(json.dumps(made))
        sample, seed, weights = told["max_train_samples"], told["seed"], told["class_weights"]
    elif config.class_weights is not None:
        labels = find_labels(data.files, config)
        found = find_class_weights(labels, config) or []
        weights = dict(zip(labels.names, found, strict=False))
    else:
        weights = {}
    seen = choose_sample(train.height, sample, seed)
    return replace(questions, train=train.filter(pl.Series(seen)), class_weights=weights)


def _load_before(
    name: str | None, task: TaskName, ask: ComparisonRequest
) -> tuple[ModelSide | None, BeforeKind, Encoder | None]:
    if name is None:
        return None, "none", None
    if not TASKS[task].labelled:
        return _load_side(name, task, ask), "base model", None
    try:
        return _load_side(name, task, ask), "previous model", None
    except ModelError:
        from siftset.trainer.inference.embeddings import load_encoder

        length = ask.train.max_length if ask.train is not None else MAX_LENGTH
        return None, "linear probe", load_encoder(name, max_length=length)


def _load_side(name: str, task: TaskName, ask: ComparisonRequest) -> ModelSide:
    from siftset.trainer.inference.load_model import load_side, load_trained

    return load_side(load_trained(name, task), task, ask.max_length(name))


def _choose_split(data: TrainingData) -> str:
    for split in ("test", "validation"):
        if data.files.get(split):
            return split
    raise TrainingError("compare: the set has neither test nor validation rows: split it")


def _gather_questions(
    data: TrainingData, split: str, task: TaskName, ask: ComparisonRequest, model: str
) -> QuestionSet:
    """Return what the models are asked, conversations as `model` was trained on them."""
    rows = name_labels(pl.read_parquet(list(data.files[split])), ask.train)
    train = None
    if TASKS[task].labelled and data.files.get("train"):
        files = list(data.files["train"])
        train = name_labels(pl.read_parquet(files, columns=["row_id", "text", "label"]), ask.train)
    questions = gather_questions(ask.compare, rows, folder=ask.folder, seed=ask.seed, train=train)
    if questions.golden is not None:
        questions = replace(questions, golden=name_labels(questions.golden, ask.train))
    if not TASKS[task].pairs:
        return questions
    written = ask.train.template if ask.train is not None else None
    if rows.schema.get(COLUMN) == MESSAGES and written is None:
        wanted = "tokenizer" if ask.train is None else ask.train.chat_template
        writer = _find_chat_writer(model, wanted)
        return questions if writer is None else write_chats(questions, writer)
    return write_pairs(questions, find_template(rows.columns, written, data.names))


def _find_chat_writer(model: str, wanted: str) -> ChatQuestions | None:
    """Return what writes questions for a model: as it was trained, else as the recipe says."""
    from transformers import AutoTokenizer

    from siftset.trainer.data.chat import find_chat_template
    from siftset.trainer.inference.usage_snippets import read_usage

    place = locate_model(model, None)
    tokenizer = AutoTokenizer.from_pretrained(
        place.path, revision=place.revision, local_files_only=place.local, trust_remote_code=False
    )
    if wanted == "tokenizer" and not tokenizer.chat_template:
        return None
    template = find_chat_template(
        tokenizer, "tokenizer" if read_usage(model).chat else wanted, model
    )
    return ChatQuestions.of_tokenizer(template, tokenizer)


def name_labels(frame: pl.DataFrame, config: Train | None) -> pl.DataFrame:
    """Return the rows with labels as text, by the names that the recipe gives them."""
    if "label" not in frame.columns:
        return frame
    names = {} if config is None else config.labels
    if config is not None and config.multi_label:
        frame = frame.with_columns(label=list_labels(frame["label"], config.label_separator))

    def write_name(value: object) -> str:
        text = label_text(value)
        return names.get(text, text)

    if isinstance(frame.schema["label"], pl.List):
        several = [None if v is None else [write_name(x) for x in v] for v in frame["label"]]
        return frame.with_columns(label=pl.Series(several, dtype=pl.List(pl.String)))
    labels = [None if v is None else write_name(v) for v in frame["label"]]
    return frame.with_columns(label=pl.Series(labels, dtype=pl.String))
