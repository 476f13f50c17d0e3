"""Classifiers that give a row several labels: every label is a question of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import (
    ClassificationComparison,
    ClassifierScores,
    ClassScores,
    Golden,
    McNemar,
    RowChange,
)
from siftset.trainer.comparison.baselines import judge_baselines
from siftset.trainer.comparison.classification_scores import (
    ClassifierAnswers,
    compare_baselines,
    estimate_figures,
    shorten_text,
)
from siftset.trainer.comparison.classifier_evaluation import (
    ClassifierEvaluation,
    gather_classifiers,
    note_baselines,
)
from siftset.trainer.comparison.context import (
    ComparisonSetting,
    Figures,
    TaskComparison,
    compare_figures,
    require_model,
)
from siftset.trainer.comparison.predictions import tabulate_label_sets
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.slices import compare_slices, note_small_slices
from siftset.trainer.comparison.training_texts import TrainingTexts, flag_labels
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import ClassifierModel
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    mcnemar,
    ratio_draws,
    statistic_draws,
    win_rate,
)
from siftset.trainer.metrics.classification import areas, ratio


def compare_multi_label(
    before: ModelSide | None, after: ModelSide, questions: QuestionSet, setting: ComparisonSetting
) -> TaskComparison:
    """Compare two multi-label classifiers and the baselines; a missing before is a linear probe.

    A label is given from probability 0.5 on.
    """
    new = require_model(after, ClassifierModel, "classification")  # type: ignore[type-abstract]
    labels, frame = tuple(new.labels), questions.rows.drop_nulls("label")
    truth, training = read_truths(frame, labels), None
    if questions.train is not None:
        weights = questions.class_weights
        training = TrainingTexts.select_label_sets(questions.train, labels, weights)
    evaluation = gather_classifiers(before, after, labels, training, questions.seed, setting)
    outcomes = evaluation.ask_all(frame["text"].to_list())
    setting.keep(tabulate_label_sets(frame, truth, labels, outcomes))
    bootstrap = setting.make_bootstrap(questions.seed, frame)
    figures = [measure_multi_label(truth, one.probabilities, bootstrap) for one in outcomes]
    models = tuple(
        _score_labels(labels, truth, one, (measured, bootstrap))
        for one, measured in zip(outcomes, figures, strict=True)
    )
    headline = setting.choose_headline("classification")
    against = compare_baselines(outcomes, figures, len(truth), bootstrap, headline)
    found = ClassificationComparison(
        labels=labels, multi_label=True, models=models, against_baselines=against
    )
    paired = len(evaluation.models) > 1
    if paired:
        asked = (outcomes[-2:], setting, bootstrap)
        found = found.model_copy(update=_compare_rows(frame, truth, labels, asked))
    return TaskComparison(
        changes=compare_figures(
            figures[-2] if paired else None, figures[-1], len(truth), bootstrap
        ),
        classification=found,
        findings=tuple(judge_baselines(against)),
        golden=_compare_golden(evaluation, questions, setting),
        notes=(
            *note_baselines(training, questions, setting, before),
            *note_small_slices(frame, setting.compare.slices),
        ),
    )


def _compare_golden(
    evaluation: ClassifierEvaluation, questions: QuestionSet, setting: ComparisonSetting
) -> Golden | None:
    if questions.golden is None:
        return None
    frame = questions.golden.drop_nulls("label")
    truth = read_truths(frame, evaluation.labels)
    outcomes = replace(evaluation, baselines=()).ask_all(frame["text"].to_list())
    bootstrap = setting.make_bootstrap(questions.seed, frame)
    figures = [measure_multi_label(truth, one.probabilities, bootstrap) for one in outcomes]
    right = [((one.probabilities >= 0.5) == truth).all(1).astype(np.float64) for one in outcomes]
    first = figures[0] if len(figures) > 1 else None
    gained = right[-1] - right[0]
    return Golden(
        source=setting.compare.golden or "golden",
        n=len(truth),
        changes=compare_figures(first, figures[-1], len(truth), bootstrap),
        wins=() if first is None else (win_rate("rows answered better", gained, bootstrap),),
    )


def read_truths(frame: pl.DataFrame, labels: Sequence[str]) -> Flags:
    """Return which labels each row has (rows, labels); raise TrainingError for a strange one."""
    if not isinstance(frame.schema.get("label"), pl.List):
        raise TrainingError(
            f"compare: rows with several labels need lists in a column 'label', found "
            f"{frame.schema.get('label', 'no such column')}"
        )
    if frame.is_empty():
        raise TrainingError("compare: no held-out row has a label: add rows or change the split")
    lists = frame["label"].cast(pl.List(pl.String))
    strange = sorted(set(lists.explode().drop_nulls()) - set(labels))
    if strange:
        raise TrainingError(
            f"compare: rows have the label '{strange[0]}', which the model does not know; "
            f"it knows {', '.join(labels)}"
        )
    return flag_labels(lists, labels)


def measure_multi_label(truth: Flags, probabilities: Array, bootstrap: Bootstrap) -> Figures:
    """Measure one classifier; draws pair with those of another on the same rows.

    `accuracy` is of rows whose labels are all right; macro F1 is 0 for a label never met.
    """
    said = probabilities >= 0.5
    exact = (said == truth).all(1)
    off = (said != truth).mean(1, keepdims=True)
    square = np.square(probabilities - truth).mean(1, keepdims=True)
    ones = np.ones((len(truth), 1))
    rows = np.hstack([truth & said, truth, said, exact[:, None], off, square, ones]).astype(
        np.float64
    )
    sums = np.vstack([rows.sum(0), ratio_draws(rows, bootstrap)])
    labels, n = truth.shape[1], sums[:, -1]
    hits, wanted, named = (sums[:, i * labels : (i + 1) * labels] for i in range(3))
    by_label = ratio(2 * hits, wanted + named)
    found = {
        "accuracy": sums[:, 3 * labels] / n,
        "micro_precision": ratio(hits.sum(1), named.sum(1)),
        "micro_recall": ratio(hits.sum(1), wanted.sum(1)),
        "micro_f1": ratio(2 * hits.sum(1), (wanted + named).sum(1)),
        "macro_f1": by_label.mean(1),
        "weighted_f1": ratio((by_label * wanted).sum(1), wanted.sum(1)),
        "hamming_loss": sums[:, 3 * labels + 1] / n,
        "brier": sums[:, 3 * labels + 2] / n,
        "macro_roc_auc": _measure_macro_area(truth, probabilities, bootstrap),
    }
    return {name: Figure(float(values[0]), values[1:]) for name, values in found.items()}


def _measure_macro_area(truth: Flags, probabilities: Array, bootstrap: Bootstrap) -> Array:
    """Return the mean ROC-AUC over labels that some rows have and some lack, then its draws."""

    def mean_area(weights: Array) -> Array:
        found = [
            areas(truth[:, i].astype(np.float64), probabilities[:, i], weights)[0]
            for i in range(truth.shape[1])
        ]
        known = np.isfinite(found)
        return ratio(np.where(known, found, 0).sum(0), known.sum(0), np.nan)

    return np.asarray(
        np.r_[
            mean_area(np.ones((1, len(truth)))), statistic_draws(mean_area, len(truth), bootstrap)
        ]
    )


def _score_labels(
    labels: Sequence[str],
    truth: Flags,
    outcome: ClassifierAnswers,
    measured: tuple[Figures, Bootstrap],
) -> ClassifierScores:
    said = outcome.probabilities >= 0.5
    hits, wanted, named = ((truth & said).sum(0), truth.sum(0), said.sum(0))
    rest = len(truth) - wanted
    columns = {
        "precision": ratio(hits, named),
        "recall": ratio(hits, wanted),
        "f1": ratio(2 * hits, wanted + named),
        "specificity": ratio(rest - (named - hits), rest),
    }
    classes = tuple(
        ClassScores(
            label=label,
            n=int(wanted[i]),
            **{name: float(values[i]) for name, values in columns.items()},
        )
        for i, label in enumerate(labels)
    )
    return ClassifierScores(
        name=outcome.name,
        kind=outcome.kind,
        metrics=estimate_figures(*measured),
        classes=classes,
    )


def _compare_rows(
    frame: pl.DataFrame,
    truth: Flags,
    labels: Sequence[str],
    asked: tuple[Sequence[ClassifierAnswers], ComparisonSetting, Bootstrap],
) -> dict[str, object]:
    """Return what changed row by row, as fields of ClassificationComparison."""
    outcomes, setting, bootstrap = asked
    said = [outcome.probabilities >= 0.5 for outcome in outcomes]
    right = tuple((answers == truth).all(1) for answers in said)
    fixed, broken, p_value = mcnemar(right[0], right[1], bootstrap.groups)
    listed = np.asarray(labels, dtype=object)
    named = [[", ".join(listed[row]) or "none" for row in flags] for flags in (truth, *said)]
    sure = np.abs(outcomes[1].probabilities - 0.5).min(1) + 0.5

    def pick_examples(chosen: Flags) -> tuple[RowChange, ...]:
        places = np.flatnonzero(chosen)[: setting.compare.examples]
        return tuple(
            RowChange(
                row_id=str(row.get("row_id", "")),
                text=shorten_text(str(row["text"])),
                label=named[0][i],
                before=named[1][i],
                after=named[2][i],
                confidence=float(sure[i]),
            )
            for i, row in zip(places, frame[places].iter_rows(named=True), strict=True)
        )

    return {
        "mcnemar": McNemar(fixed=fixed, broken=broken, p_value=p_value),
        "fixed_rows": fixed,
        "broken_rows": broken,
        "fixed": pick_examples(~right[0] & right[1]),
        "broken": pick_examples(right[0] & ~right[1]),
        "slices": compare_slices(frame, right, setting.compare.slices, bootstrap),
    }
