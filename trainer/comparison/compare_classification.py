"""Two classifiers and the baselines, compared on a set of questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import Golden
from siftset.trainer.comparison.baselines import (
    MAJORITY,
    PROBE,
    TFIDF,
    TrainingTexts,
    fit_majority,
    fit_probe,
    fit_tfidf,
    judge_baselines,
)
from siftset.trainer.comparison.classification_scores import (
    ClassifierAnswers,
    LabelledRows,
    align_probabilities,
    compare_classifiers,
    order_labels,
    select_labelled,
)
from siftset.trainer.comparison.compare_multi_label import compare_multi_label
from siftset.trainer.comparison.context import ComparisonSetting, TaskComparison, require_model
from siftset.trainer.comparison.predictions import tabulate_classes
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.slices import note_small_slices
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import ClassifierModel
from siftset.trainer.metrics.bootstrap import win_rate

_UNTRAINED = "the head of '{}' was newly initialised: its answers are noise"
_STANDS_ALONE = "no model before, and no features for a linear probe: the model after stands alone"


@dataclass(frozen=True, slots=True)
class ClassifierEvaluation:
    """Everyone who answers: the baselines, the model before (if any), the model after."""

    labels: tuple[str, ...]
    baselines: tuple[tuple[str, ClassifierModel], ...]
    models: tuple[tuple[str, ClassifierModel], ...]

    def ask_all(self, rows: LabelledRows) -> list[ClassifierAnswers]:
        """Ask everyone about the rows, once."""
        texts = rows.frame["text"].to_list()
        kinds: tuple[Literal["baseline", "model"], ...] = ("baseline", "model")
        return [
            ClassifierAnswers(name, align_probabilities(one, self.labels, texts), kind)
            for kind, asked in zip(kinds, (self.baselines, self.models), strict=True)
            for name, one in asked
        ]


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
    baselines = _fit_baselines(training, questions.seed, setting, probe=before is None)
    models = [(after.info.name, new)]
    if before is not None:
        old = require_model(before, ClassifierModel, "classification")  # type: ignore[type-abstract]
        models.insert(0, (before.info.name, old))
    elif PROBE in baselines:
        models.insert(0, (PROBE, baselines.pop(PROBE)))
    evaluation = ClassifierEvaluation(labels, tuple(baselines.items()), tuple(models))
    rows, unlabelled = select_labelled(questions.rows, labels)
    bootstrap = setting.make_bootstrap(questions.seed, rows.frame)
    outcomes = evaluation.ask_all(rows)
    setting.keep(tabulate_classes(rows, outcomes))
    found, changes = compare_classifiers(
        rows,
        outcomes,
        bootstrap=bootstrap,
        slices=setting.compare.slices,
        examples=setting.compare.examples,
        headline=setting.choose_headline("classification"),
    )
    notes = []
    if training is not None and training.left_out:
        seen = f"{len(training.texts):,} of the {len(training.texts) + training.left_out:,}"
        notes.append(f"baselines learned from {seen} training rows")
    if unlabelled:
        notes.append(f"{unlabelled:,} rows have no label and were left out")
    if questions.train is None and setting.compare.baselines:
        notes.append("no baselines: the training rows were not given")
    if before is None and (setting.encoder is None or questions.train is None):
        notes.append(_STANDS_ALONE)
    return TaskComparison(
        changes=changes,
        classification=found,
        findings=tuple(judge_baselines(found.against_baselines)),
        golden=_compare_golden(evaluation, questions, setting),
        warnings=(_UNTRAINED.format(after.info.name),) if after.info.head == "untrained" else (),
        notes=(*notes, *note_small_slices(rows.frame, setting.compare.slices)),
    )


def _fit_baselines(
    training: TrainingTexts | None, seed: int, setting: ComparisonSetting, *, probe: bool
) -> dict[str, ClassifierModel]:
    """Return the baselines that can be taught, by name; the probe also where it is the before."""
    if training is None or not training.texts:
        return {}
    wanted, fitted = setting.compare.baselines, {}
    if "majority" in wanted:
        fitted[MAJORITY] = fit_majority(training)
    if "tfidf" in wanted:
        fitted[TFIDF] = fit_tfidf(training, seed)
    if setting.encoder is not None and (probe or "probe" in wanted):
        fitted[PROBE] = fit_probe(setting.encoder, training, seed)
    return fitted


def _compare_golden(
    evaluation: ClassifierEvaluation, questions: QuestionSet, setting: ComparisonSetting
) -> Golden | None:
    if questions.golden is None:
        return None
    rows, _ = select_labelled(questions.golden, evaluation.labels)
    bootstrap = setting.make_bootstrap(questions.seed, rows.frame)
    outcomes = replace(evaluation, baselines=()).ask_all(rows)
    _, changes = compare_classifiers(rows, outcomes, bootstrap=bootstrap, examples=0)
    right = [(outcome.predicted == rows.truth).astype(np.float64) for outcome in outcomes]
    gained = right[-1] - right[0]
    return Golden(
        source=setting.compare.golden or "golden",
        n=len(rows.truth),
        changes=changes,
        wins=(win_rate("rows answered better", gained, bootstrap),) if len(right) > 1 else (),
    )
