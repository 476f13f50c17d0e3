"""Two classifiers and the baselines, compared on a set of questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.comparison import Golden
from siftset.trainer.comparison.baselines import judge_baselines
from siftset.trainer.comparison.classification_scores import (
    compare_classifiers,
    order_labels,
    select_labelled,
)
from siftset.trainer.comparison.classifier_evaluation import (
    ClassifierEvaluation,
    gather_classifiers,
    note_baselines,
)
from siftset.trainer.comparison.compare_multi_label import compare_multi_label
from siftset.trainer.comparison.context import ComparisonSetting, TaskComparison, require_model
from siftset.trainer.comparison.predictions import tabulate_classes
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.slices import note_small_slices
from siftset.trainer.comparison.training_texts import TrainingTexts
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import ClassifierModel
from siftset.trainer.metrics.bootstrap import win_rate

_UNTRAINED = "the head of '{}' was newly initialised: its answers are noise"


def compare_classification(
    before: ModelSide | None, after: ModelSide, questions: QuestionSet, setting: ComparisonSetting
) -> TaskComparison:
    """Compare two classifiers and the baselines; a missing before is a linear probe."""
    if isinstance(questions.rows.schema.get("label"), pl.List):
        return compare_multi_label(before, after, questions, setting)
    new = require_model(after, ClassifierModel, "classification")  # type: ignore[type-abstract]
    labels = order_labels(new.labels, setting.compare.positive_label)
    training = None
    if questions.train is not None:
        weights = questions.class_weights
        training = TrainingTexts.select_rows(questions.train, labels, weights)
    evaluation = gather_classifiers(before, after, labels, training, questions.seed, setting)
    rows, unlabelled = select_labelled(questions.rows, labels)
    bootstrap = setting.make_bootstrap(questions.seed, rows.frame)
    outcomes = evaluation.ask_all(rows.frame["text"].to_list())
    setting.keep(tabulate_classes(rows, outcomes))
    found, changes = compare_classifiers(
        rows,
        outcomes,
        bootstrap=bootstrap,
        slices=setting.compare.slices,
        examples=setting.compare.examples,
        headline=setting.choose_headline("classification"),
    )
    notes = list(note_baselines(training, questions, setting, before))
    if unlabelled:
        notes.append(
            f"{format_count(unlabelled, 'row')} without a label {conjugate(unlabelled, 'were')} "
            "left out"
        )
    return TaskComparison(
        changes=changes,
        classification=found,
        findings=tuple(judge_baselines(found.against_baselines)),
        golden=_compare_golden(evaluation, questions, setting),
        warnings=(_UNTRAINED.format(after.info.name),) if after.info.head == "untrained" else (),
        notes=(*notes, *note_small_slices(rows.frame, setting.compare.slices)),
    )


def _compare_golden(
    evaluation: ClassifierEvaluation, questions: QuestionSet, setting: ComparisonSetting
) -> Golden | None:
    if questions.golden is None:
        return None
    rows, _ = select_labelled(questions.golden, evaluation.labels)
    bootstrap = setting.make_bootstrap(questions.seed, rows.frame)
    outcomes = replace(evaluation, baselines=()).ask_all(rows.frame["text"].to_list())
    _, changes = compare_classifiers(rows, outcomes, bootstrap=bootstrap, examples=0)
    right = [(outcome.predicted == rows.truth).astype(np.float64) for outcome in outcomes]
    gained = right[-1] - right[0]
    return Golden(
        source=setting.compare.golden or "golden",
        n=len(rows.truth),
        changes=changes,
        wins=(win_rate("rows answered better", gained, bootstrap),) if len(right) > 1 else (),
    )
