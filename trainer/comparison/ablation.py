"""Did the curation help: models trained with the same budget on different rows, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import Arm, ArmsTable, Estimate
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.classification_scores import (
    ClassifierAnswers,
    align_probabilities,
    estimate_figures,
    measure_classifiers,
    order_labels,
    select_labelled,
)
from siftset.trainer.comparison.context import LOWER_IS_BETTER, Figures, require_model
from siftset.trainer.comparison.held_out import measure_language
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import Answerer, ClassifierModel, MaskedModel
from siftset.trainer.metrics.bootstrap import Array, Bootstrap, finite, judge


@dataclass(frozen=True, slots=True)
class AblationModel:
    """An arm: its name, the rows it was trained on, and how to get its model."""

    name: str
    load: Callable[[], ModelSide]
    rows: int | None = None


def compare_ablation(
    task: TaskName,
    arms: Sequence[AblationModel],
    questions: QuestionSet,
    *,
    bootstrap: Bootstrap | None = None,
    budget: str = "",
) -> ArmsTable:
    """Ask every arm the same questions; differences are paired, against the first arm.

    One model is loaded at a time. Raises TrainingError without two arms.
    """
    if len(arms) < 2:
        raise TrainingError(f"compare: {len(arms)} arm given: a comparison of arms needs two")
    bootstrap = bootstrap or Bootstrap()
    if TASKS[task].labelled:
        rows, measured = _measure_classifiers(arms, questions, bootstrap)
    else:
        scored = (_score_rows(task, arm.load(), questions) for arm in arms)
        measured = [measure_language(sums, bootstrap) for sums in scored]
        rows = questions.rows.height
    main = TASKS[task].main_metric
    higher = main not in LOWER_IS_BETTER
    first = measured[0][main]
    found: list[Arm] = []
    for arm, figures in zip(arms, measured, strict=True):
        one = Arm(name=arm.name, rows=arm.rows, metrics=estimate_figures(figures, bootstrap))
        if found:
            interval = bootstrap.interval(figures[main].draws - first.draws)
            value = finite(figures[main].value - first.value)
            difference = Estimate(value=value, interval=interval)
            judged = {"difference": difference, "verdict": judge(interval, higher)}
            one = one.model_copy(update=judged)
        found.append(one)
    return ArmsTable(main=main, higher_is_better=higher, budget=budget, n=rows, arms=tuple(found))


def _score_rows(task: TaskName, side: ModelSide, questions: QuestionSet) -> Array:
    frame = questions.rows
    if TASKS[task].fills_masks:
        keys = frame["row_id"].cast(pl.String).to_list()
        asked = require_model(side, MaskedModel, task)  # type: ignore[type-abstract]
        return asked.score_masked(frame["text"].to_list(), keys, questions.seed)
    model = require_model(side, Answerer, task)  # type: ignore[type-abstract]
    if "answer" not in frame.columns:
        return model.text_loss(frame["text"].to_list())
    return model.answer_loss(frame["prompt"].to_list(), frame["answer"].to_list())


def _measure_classifiers(
    arms: Sequence[AblationModel], questions: QuestionSet, bootstrap: Bootstrap
) -> tuple[int, list[Figures]]:
    outcomes: list[ClassifierAnswers] = []
    labels: tuple[str, ...] = ()
    for arm in arms:
        model = require_model(arm.load(), ClassifierModel, "classification")  # type: ignore[type-abstract]
        labels = labels or order_labels(model.labels, None)
        rows, _ = select_labelled(questions.rows, labels)
        texts = rows.frame["text"].to_list()
        outcomes.append(ClassifierAnswers(arm.name, align_probabilities(model, labels, texts)))
    return len(rows.truth), list(measure_classifiers(rows.truth, outcomes, bootstrap))
