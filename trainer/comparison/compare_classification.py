"""Two classifiers and the baselines, compared on a set of questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import Golden
from siftset.trainer.comparison.baselines import Lessons, linear_probe, majority, tfidf
from siftset.trainer.comparison.classification_scores import Outcome, Rows, compare_classifiers
from siftset.trainer.comparison.compare_multi_label import compare_several_labels
from siftset.trainer.comparison.context import Part, Setting, Side, need
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.protocols import Classifier
from siftset.trainer.metrics.bootstrap import Array, Bootstrap, win_rate

_UNTRAINED = "the head of '{}' was newly initialised: its answers are noise"


@dataclass(frozen=True, slots=True)
class Sitting:
    """Everyone who answers: the baselines, the model before (if any), the model after."""

    labels: tuple[str, ...]
    baselines: tuple[tuple[str, Classifier], ...]
    models: tuple[tuple[str, Classifier], ...]

    def answer(self, rows: Rows) -> list[Outcome]:
        """Ask everyone about the rows, once."""
        texts = rows.frame["text"].to_list()
        return [
            *(Outcome(name, self._ask(one, texts), "baseline") for name, one in self.baselines),
            *(Outcome(name, self._ask(one, texts)) for name, one in self.models),
        ]

    def _ask(self, one: Classifier, texts: Sequence[str]) -> Array:
        return aligned(one, self.labels, texts)


def compare_classified(
    before: Side | None, after: Side, questions: QuestionSet, setting: Setting
) -> Part:
    """Compare two classifiers and the baselines; a missing before is a linear probe."""
    if isinstance(questions.rows.schema.get("label"), pl.List):
        return compare_several_labels(before, after, questions, setting)
    sitting = _sitting(before, after, questions, setting)
    bootstrap = setting.bootstrap(questions.seed)
    rows, unlabelled = labelled(questions.rows, sitting.labels)
    found, changes = compare_classifiers(
        rows,
        sitting.answer(rows),
        bootstrap=bootstrap,
        slices=setting.compare.slices,
        examples=setting.compare.examples,
    )
    return Part(
        changes=changes,
        classification=found,
        golden=_golden(sitting, questions, setting, bootstrap),
        warnings=(_UNTRAINED.format(after.info.name),) if after.info.head == "untrained" else (),
        notes=tuple(_notes(unlabelled, questions, before, setting)),
    )


def label_order(labels: Sequence[str], positive: str | None) -> tuple[str, ...]:
    """Return the labels with the positive one last; raise TrainingError if it is none of them."""
    if positive is None:
        return tuple(labels)
    if positive not in labels:
        raise TrainingError(
            f"compare.positive_label '{positive}' is none of the labels: {', '.join(labels)}"
        )
    return (*(label for label in labels if label != positive), positive)


def aligned(classifier: Classifier, labels: Sequence[str], texts: Sequence[str]) -> Array:
    """Return probabilities with the columns in the order of `labels`.

    Raises TrainingError for a classifier that knows other labels.
    """
    places = {label: i for i, label in enumerate(classifier.labels)}
    if set(places) != set(labels):
        raise TrainingError(
            f"compare: the models have different labels: {', '.join(classifier.labels)} and "
            f"{', '.join(labels)}; compare models with the same ones"
        )
    return classifier.probabilities(texts)[:, [places[label] for label in labels]]


def labelled(frame: pl.DataFrame, labels: Sequence[str]) -> tuple[Rows, int]:
    """Return the rows that have a label, and how many have none.

    Raises TrainingError for a label that the model does not know, or when no row has one.
    """
    if "label" not in frame.columns:
        raise TrainingError(f"compare: no column 'label' among {', '.join(frame.columns)}")
    known = frame.with_columns(pl.col("label").cast(pl.String)).drop_nulls("label")
    if known.is_empty():
        raise TrainingError("compare: no held-out row has a label: add rows or change the split")
    strange = sorted(set(known["label"]) - set(labels))
    if strange:
        raise TrainingError(
            f"compare: rows have the label '{strange[0]}', which the model does not know; "
            f"it knows {', '.join(labels)}"
        )
    numbers = {label: i for i, label in enumerate(labels)}
    truth = np.array([numbers[label] for label in known["label"]], dtype=np.intp)
    return Rows(truth, tuple(labels), known), frame.height - known.height


def _sitting(before: Side | None, after: Side, questions: QuestionSet, setting: Setting) -> Sitting:
    new = need(after, Classifier, "classification")  # type: ignore[type-abstract]
    labels = label_order(new.labels, setting.compare.positive_label)
    taught = _taught(labels, questions, setting, probe=before is None)
    models = [(after.info.name, new)]
    if before is not None:
        old = need(before, Classifier, "classification")  # type: ignore[type-abstract]
        models.insert(0, (before.info.name, old))
    elif "linear probe" in taught:
        models.insert(0, ("linear probe", taught.pop("linear probe")))
    return Sitting(labels, tuple(taught.items()), tuple(models))


def _taught(
    labels: Sequence[str], questions: QuestionSet, setting: Setting, *, probe: bool
) -> dict[str, Classifier]:
    """Return the baselines that can be taught, by name; the probe also where it is the before."""
    if questions.train is None or questions.train.is_empty():
        return {}
    lessons = Lessons.of(questions.train, labels)
    if not lessons.texts:
        return {}
    wanted, taught = setting.compare.baselines, {}
    if "majority" in wanted:
        taught["majority class"] = majority(lessons)
    if "tfidf" in wanted:
        taught["TF-IDF + logistic regression"] = tfidf(lessons, questions.seed)
    if setting.encoder is not None and (probe or "probe" in wanted):
        taught["linear probe"] = linear_probe(setting.encoder, lessons, questions.seed)
    return taught


def _golden(
    sitting: Sitting, questions: QuestionSet, setting: Setting, bootstrap: Bootstrap
) -> Golden | None:
    if questions.golden is None:
        return None
    rows, _ = labelled(questions.golden, sitting.labels)
    outcomes = replace(sitting, baselines=()).answer(rows)
    _, changes = compare_classifiers(rows, outcomes, bootstrap=bootstrap, examples=0)
    right = [(outcome.predicted == rows.truth).astype(np.float64) for outcome in outcomes]
    gained = right[-1] - right[0]
    return Golden(
        source=setting.compare.golden or "golden",
        n=len(rows.truth),
        changes=changes,
        wins=(win_rate("rows answered better", gained, bootstrap.level),) if len(right) > 1 else (),
    )


def _notes(
    unlabelled: int, questions: QuestionSet, before: Side | None, setting: Setting
) -> Iterator[str]:
    if unlabelled:
        yield f"{unlabelled:,} rows have no label and were left out"
    if questions.train is None and setting.compare.baselines:
        yield "no baselines: the training rows were not given"
    if before is None and (setting.encoder is None or questions.train is None):
        yield "no model before, and no features for a linear probe: the model after stands alone"
