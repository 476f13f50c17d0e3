"""Did the curation help: models trained with the same budget on different rows, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import Arm, ArmsTable, Estimate
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.classification_scores import Figures, Outcome, estimates, measure
from siftset.trainer.comparison.compare_classification import aligned, label_order, labelled
from siftset.trainer.comparison.context import Side, need
from siftset.trainer.comparison.held_out import language_figures
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.protocols import Answerer, Classifier, MaskedModel
from siftset.trainer.metrics.bootstrap import Array, Bootstrap, Figure, finite, judge


@dataclass(frozen=True, slots=True)
class Contender:
    """An arm: its name, the rows it was trained on, and how to get its model."""

    name: str
    load: Callable[[], Side]
    rows: int | None = None


def compare_arms(
    task: TaskName,
    arms: Sequence[Contender],
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
    rows, measured = _measure(task, arms, questions, bootstrap)
    main, higher = ("accuracy", True) if TASKS[task].labelled else ("loss", False)
    first = measured[0][main]
    return ArmsTable(
        main=main,
        higher_is_better=higher,
        budget=budget,
        n=rows,
        arms=tuple(
            _arm(arm, figures, None if figures is measured[0] else first, (main, higher), bootstrap)
            for arm, figures in zip(arms, measured, strict=True)
        ),
    )


def _arm(
    arm: Contender,
    figures: Figures,
    first: Figure | None,
    judged_by: tuple[str, bool],
    bootstrap: Bootstrap,
) -> Arm:
    found = Arm(name=arm.name, rows=arm.rows, metrics=estimates(figures, bootstrap))
    if first is None:
        return found
    main, higher = judged_by
    interval = bootstrap.interval(figures[main].draws - first.draws)
    difference = Estimate(value=finite(figures[main].value - first.value), interval=interval)
    return found.model_copy(update={"difference": difference, "verdict": judge(interval, higher)})


def _measure(
    task: TaskName, arms: Sequence[Contender], questions: QuestionSet, bootstrap: Bootstrap
) -> tuple[int, list[Figures]]:
    if TASKS[task].labelled:
        return _classified(arms, questions, bootstrap)
    found = []
    for arm in arms:
        side = arm.load()
        found.append(language_figures(_sums(task, side, questions), bootstrap))
    return questions.rows.height, found


def _sums(task: TaskName, side: Side, questions: QuestionSet) -> Array:
    frame = questions.rows
    if TASKS[task].fills_masks:
        keys = frame["row_id"].cast(pl.String).to_list()
        asked = need(side, MaskedModel, task)  # type: ignore[type-abstract]
        return asked.score(frame["text"].to_list(), keys, questions.seed)
    model = need(side, Answerer, task)  # type: ignore[type-abstract]
    if "answer" not in frame.columns:
        return model.text_loss(frame["text"].to_list())
    return model.answer_loss(frame["prompt"].to_list(), frame["answer"].to_list())


def _classified(
    arms: Sequence[Contender], questions: QuestionSet, bootstrap: Bootstrap
) -> tuple[int, list[Figures]]:
    outcomes: list[Outcome] = []
    labels: tuple[str, ...] = ()
    for arm in arms:
        model = need(arm.load(), Classifier, "classification")  # type: ignore[type-abstract]
        labels = labels or label_order(model.labels, None)
        rows, _ = labelled(questions.rows, labels)
        texts = rows.frame["text"].to_list()
        outcomes.append(Outcome(arm.name, aligned(model, labels, texts)))
    return len(rows.truth), list(measure(rows.truth, outcomes, bootstrap))
