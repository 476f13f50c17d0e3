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
from siftset.trainer.comparison.compare_multi_label import measure_multi_label, read_truths
from siftset.trainer.comparison.context import (
    LOWER_IS_BETTER,
    ComparisonSetting,
    Figures,
    require_model,
)
from siftset.trainer.comparison.held_out import measure_language
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import Answerer, ClassifierModel, MaskedModel
from siftset.trainer.metrics.bootstrap import Array, Bootstrap, change


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
    setting: ComparisonSetting | None = None,
    budget: str = "",
) -> ArmsTable:
    """Ask every arm the same questions; differences are paired, against the first arm.

    One model is loaded at a time. Raises TrainingError without two arms.
    """
    if len(arms) < 2:
        raise TrainingError(f"compare: {len(arms)} arm given: a comparison of arms needs two")
    setting, rows = setting or ComparisonSetting(), questions.rows
    if TASKS[task].labelled:
        rows = rows.drop_nulls("label")
    bootstrap = setting.make_bootstrap(questions.seed, rows)
    if TASKS[task].labelled:
        measured = _measure_classifiers(arms, rows, bootstrap)
    else:
        scored = (_score_rows(task, arm.load(), questions) for arm in arms)
        measured = [measure_language(sums, bootstrap) for sums in scored]
    main = setting.choose_headline(task)
    if main not in measured[0]:
        raise TrainingError(
            f"compare.metric: the task {task} has no '{main}', expected one of "
            f"{', '.join(measured[0])}"
        )
    higher = main not in LOWER_IS_BETTER
    first = measured[0][main]
    found: list[Arm] = []
    for arm, figures in zip(arms, measured, strict=True):
        one = Arm(name=arm.name, rows=arm.rows, metrics=estimate_figures(figures, bootstrap))
        if found:
            against = change(
                main,
                first,
                figures[main],
                n=rows.height,
                bootstrap=bootstrap,
                higher_is_better=higher,
            )
            difference = Estimate(value=against.difference, interval=against.interval)
            judged = {"difference": difference, "verdict": against.verdict}
            one = one.model_copy(update=judged)
        found.append(one)
    return ArmsTable(
        main=main, higher_is_better=higher, budget=budget, n=rows.height, arms=tuple(found)
    )


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
    arms: Sequence[AblationModel], frame: pl.DataFrame, bootstrap: Bootstrap
) -> list[Figures]:
    outcomes: list[ClassifierAnswers] = []
    labels: tuple[str, ...] = ()
    texts = frame["text"].to_list()
    for arm in arms:
        model = require_model(arm.load(), ClassifierModel, "classification")  # type: ignore[type-abstract]
        labels = labels or order_labels(model.labels, None)
        outcomes.append(ClassifierAnswers(arm.name, align_probabilities(model, labels, texts)))
    if isinstance(frame.schema["label"], pl.List):
        truth = read_truths(frame, labels)
        return [measure_multi_label(truth, one.probabilities, bootstrap) for one in outcomes]
    rows, _ = select_labelled(frame, labels)
    return list(measure_classifiers(rows.truth, outcomes, bootstrap))
