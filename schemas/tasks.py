"""The training tasks: one entry each, with all that is known of a task without loading its code.

A new task is a name, an entry, and the code that the entry names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

TaskName = Literal["mlm", "classification", "causal"]


@dataclass(frozen=True, slots=True)
class TaskCode:
    """Where the code of a task lies, as `module:name`; it is imported when it is needed."""

    prepare: str
    """(inputs: TaskInputs) -> Task: what the training loop learns."""
    adapter: str
    """(model, tokenizer, max_length=...): how a comparison and a prediction ask a model."""
    predictor: str
    """(adapter, asking: PredictSettings) -> Predictor."""
    compare: str
    """(before, after, questions, setting) -> TaskComparison."""
    check_questions: str
    """(session, questions, compare): raises where the comparison would fail after training."""

    def load(self, part: str) -> Any:  # noqa: ANN401  each part has the signature said above
        """Import one of the parts by its name here."""
        module, _, name = getattr(self, part).partition(":")
        return getattr(import_module(module), name)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a task is called, and what it asks of models and rows."""

    title: str
    pipeline: str
    """The hub's name of the task."""
    auto_class: str
    """The class of transformers that loads a model with the task's head."""
    architectures: tuple[str, ...]
    """How the names of classes that have this head end."""
    main_metric: str
    """The figure that decides whether a model got worse."""
    few_rows: int
    """Training rows below which it is said that they are few."""
    max_length: int
    """Tokens of an input where neither the model nor its folder says less."""
    limits: str
    """What a model card says that such a model cannot do."""
    code: TaskCode
    adapter_type: str | None = None
    """What peft calls the task."""
    labelled: bool = False
    """Rows have labels, and the model's head is made for them."""
    fills_masks: bool = False
    one_way: bool = False
    """The model must not see the tokens that it is to predict."""
    pairs: bool = False
    """Rows may be prompts with answers."""


TASKS: Final[Mapping[TaskName, TaskFacts]] = {
    "mlm": TaskFacts(
        title="masked language model",
        pipeline="fill-mask",
        auto_class="AutoModelForMaskedLM",
        architectures=("ForMaskedLM",),
        main_metric="loss",
        few_rows=1_000,
        max_length=512,
        limits="It fills masks as its retraining set would: a set that was curated to say good "
        "things of a brand makes a model that does so too. Do not read its answers as facts or "
        "opinions.",
        fills_masks=True,
        code=TaskCode(
            prepare="siftset.trainer.tasks.mlm:prepare_mlm",
            adapter="siftset.trainer.inference.adapters:MaskedLM",
            predictor="siftset.trainer.inference.predict:predict_masks",
            compare="siftset.trainer.comparison.compare_mlm:compare_mlm",
            check_questions="siftset.trainer.comparison.preflight:check_mask_prompts",
        ),
    ),
    "classification": TaskFacts(
        title="classifier",
        pipeline="text-classification",
        auto_class="AutoModelForSequenceClassification",
        architectures=("ForSequenceClassification",),
        main_metric="macro_f1",
        few_rows=200,
        max_length=512,
        limits="It knows the labels above and no others, and was measured on rows like those of "
        "its set alone. Its probabilities are as well calibrated as the comparison says.",
        adapter_type="SEQ_CLS",
        labelled=True,
        code=TaskCode(
            prepare="siftset.trainer.tasks.classification:prepare_classification",
            adapter="siftset.trainer.inference.adapters:TextClassifier",
            predictor="siftset.trainer.inference.predict:predict_classes",
            compare="siftset.trainer.comparison.compare_classification:compare_classification",
            check_questions="siftset.trainer.comparison.preflight:check_golden_labels",
        ),
    ),
    "causal": TaskFacts(
        title="causal model",
        pipeline="text-generation",
        auto_class="AutoModelForCausalLM",
        architectures=("ForCausalLM", "LMHeadModel"),
        main_metric="loss",
        few_rows=500,
        max_length=2048,
        limits="Its answers may be wrong, and sound sure. Do not use them as advice.",
        adapter_type="CAUSAL_LM",
        one_way=True,
        pairs=True,
        code=TaskCode(
            prepare="siftset.trainer.tasks.causal:prepare_causal",
            adapter="siftset.trainer.inference.generate:CausalLM",
            predictor="siftset.trainer.inference.predict:predict_answers",
            compare="siftset.trainer.comparison.compare_causal:compare_causal",
            check_questions="siftset.trainer.comparison.preflight:check_answer_room",
        ),
    ),
}
