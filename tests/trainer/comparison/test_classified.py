from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import Comparison, ModelInfo
from siftset.trainer.comparison import (
    ComparisonSetting,
    ModelSide,
    QuestionSet,
    compare_models,
    gather_questions,
)
from siftset.trainer.comparison.slices import iter_slices, note_small_slices, slice_values
from siftset.trainer.inference.adapters import TextClassifier


class Guess:
    """A classifier that says yes where the text holds a word."""

    labels = ("neg", "pos")

    def __init__(self, word: str, labels: tuple[str, ...] = labels) -> None:
        self.word, self.labels = word, labels

    def predict_probabilities(self, texts):
        yes = np.array([0.9 if self.word in text else 0.2 for text in texts])
        columns = {"neg": 1 - yes, "pos": yes}
        return np.stack([columns[label] for label in self.labels], 1)


class Letters:
    """An encoder that counts words."""

    def embed_texts(self, texts):
        return np.array([[t.count("good"), t.count("bad"), len(t)] for t in texts], float)


def side(model: object, name: str = "m") -> ModelSide:
    return ModelSide(model, ModelInfo(name=name))


TEXTS = ["good shoes", "bad shoes", "a good film", "a bad film", "fine shoes", "dull shoes"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


def rows(times: int = 10) -> pl.DataFrame:
    n = 6 * times
    return pl.DataFrame(
        {
            "row_id": [f"r{i}" for i in range(n)],
            "text": [f"{text} {i}" for i, text in enumerate(TEXTS * times)],
            "label": LABELS * times,
            "source": [{"file": "a.csv" if i % 2 else "b.csv", "record": i} for i in range(n)],
            "signals": [{"loud": "true" if i % 3 else "false"} for i in range(n)],
        }
    )


def compared(before: object | None = None, **options) -> Comparison:
    setting = ComparisonSetting(Compare(resamples=100, **options), encoder=Letters())
    old = None if before is None else side(before, "old")
    questions = QuestionSet(rows(), train=rows(20))
    return compare_models("classification", old, side(Guess("good"), "new"), questions, setting)


def test_metrics_before_and_after_with_verdicts():
    found = compared(Guess("shoes"))
    assert found.before_kind == "base model"
    assert found.metrics["after"]["accuracy"] == pytest.approx(5 / 6)
    assert found.metrics["before"]["accuracy"] == pytest.approx(3 / 6)
    by = {change.name: change for change in found.changes}
    assert by["accuracy"].verdict == "better"
    assert by["loss"].verdict == "better"
    assert by["accuracy"].interval.low < 2 / 6 < by["accuracy"].interval.high
    names = {"roc_auc", "pr_auc", "mcc", "brier", "ece", "specificity", "balanced_accuracy"}
    assert names <= set(by)


def test_a_baseline_has_the_same_intervals_whatever_it_is_compared_with():
    training, every = rows(20), ("majority", "tfidf", "probe")
    measured = []
    for asked, taught, word in ((rows(), training, "good"), (rows()[::-1], training[::-1], "film")):
        setting = ComparisonSetting(Compare(resamples=100, baselines=every), encoder=Letters())
        questions = gather_questions(setting.compare, asked, folder=Path(), seed=3, train=taught)
        old, new = side(Guess("dull"), "old"), side(Guess(word), "new")
        found = compare_models("classification", old, new, questions, setting).classification
        measured.append([one for one in found.models if one.kind == "baseline"])
    assert len(measured[0]) == 3
    assert measured[0] == measured[1]


def test_the_table_holds_the_baselines_and_both_models():
    models = compared(Guess("shoes"), baselines=("majority", "tfidf", "probe")).classification
    table = {model.name: model for model in models.models}
    assert list(table) == [
        "majority class",
        "TF-IDF + logistic regression",
        "linear probe",
        "old",
        "new",
    ]
    assert table["majority class"].metrics["accuracy"].value == 0.5
    assert table["TF-IDF + logistic regression"].metrics["accuracy"].value == 1
    assert table["new"].confusion == ((30, 0), (10, 20))
    assert len(table["new"].thresholds) == 19
    assert table["new"].kind == "model"


def test_without_a_previous_model_the_probe_is_the_before():
    found = compared()
    assert found.before_kind == "linear probe"
    assert found.metrics["before"]["accuracy"] == pytest.approx(5 / 6, abs=0.2)
    assert [m.name for m in found.classification.models][-2:] == ["linear probe", "new"]


def test_the_headline_comes_first():
    assert compared(Guess("shoes")).changes[0].name == "macro_f1"
    assert compared(Guess("shoes"), metric="mcc").changes[0].name == "mcc"


def test_a_word_count_that_beats_the_model_is_said_with_its_interval():
    found = compared(Guess("shoes"))
    assert [one.baseline for one in found.classification.against_baselines] == [
        "majority class",
        "TF-IDF + logistic regression",
    ]
    change = found.classification.against_baselines[1].change
    assert (change.name, change.before) == ("macro_f1", 1)
    said = next(one for one in found.findings if "TF-IDF" in one.message)
    assert said.level == "warning"
    assert f"macro_f1 1.000 against {change.after:.3f}, difference {change.difference:+.3f}" in (
        said.message
    )
    assert f"interval {change.interval.low:+.3f} to {change.interval.high:+.3f}" in said.message


def test_a_model_no_better_than_the_commonest_class_is_said():
    setting = ComparisonSetting(Compare(resamples=100, baselines=("majority",)))
    questions = QuestionSet(rows(), train=rows(20))
    after = side(Guess("nowhere"), "new")
    found = compare_models("classification", None, after, questions, setting)
    assert [one.name for one in found.findings] == ["a baseline is as good"]
    assert "always naming the commonest class" in found.findings[0].message
    good = compare_models("classification", None, side(Guess("good")), questions, setting)
    assert good.findings == ()


def test_alone_it_still_says_what_it_is_worth():
    questions = QuestionSet(rows())
    found = compare_models(
        "classification", None, side(Guess("good")), questions, ComparisonSetting()
    )
    assert found.before_kind == "none"
    assert found.metrics["before"]["accuracy"] is None
    assert found.metrics["after"]["accuracy"] == pytest.approx(5 / 6)
    assert len(found.notes) == 2


def test_fixed_and_newly_broken_rows_are_shown():
    found = compared(Guess("film"), examples=3).classification
    assert (found.fixed_rows, found.broken_rows) == (20, 0)
    assert found.mcnemar.p_value == pytest.approx(2 * 0.5**20)
    assert len(found.fixed) == 3
    row = found.fixed[0]
    assert (row.label, row.before, row.after, row.row_id) == ("pos", "neg", "pos", "r0")


def test_slices_by_length_source_and_signal():
    found = compared(Guess("shoes"), slices=("length", "source", "loud", "none")).classification
    values = [(s.column, s.value, s.change.n) for s in found.slices]
    assert values == [
        ("length", "0 to 49 characters", 60),
        ("source", "a.csv", 30),
        ("source", "b.csv", 30),
        ("loud", "false", 20),
        ("loud", "true", 40),
    ]


def test_slices_of_too_few_rows_are_named():
    many = [f"v{i}" for i in range(22) for _ in range(10)] + [
        "a",
        "b",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
    ]
    frame = pl.DataFrame({"count": many, "text": ["some words"] * len(many)})
    assert note_small_slices(frame, ["length", "count", "none"]) == (
        "count: fewer than 10 rows, not measured: a (1), c (1), d (1), e (1), f (1) and 2 more",
        "count: the 20 most frequent values; 2 are left out",
    )
    found = compared(Guess("shoes"), slices=("length", "row_id"))
    assert any(note.startswith("row_id: fewer than 10 rows") for note in found.notes)


def test_lengths_fall_into_bands():
    frame = pl.DataFrame({"text": ["a" * n for n in (0, 49, 50, 199, 999, 1000)]})
    assert slice_values(frame, "length").to_list() == [
        "0 to 49 characters",
        "0 to 49 characters",
        "50 to 99 characters",
        "100 to 199 characters",
        "500 to 999 characters",
        "1,000 characters and more",
    ]


def test_bands_are_shown_in_their_order():
    frame = pl.DataFrame({"text": ["a" * n for n in (0, 50, 100, 1000) for _ in range(10)]})
    assert [value for _, value, _ in iter_slices(frame, ["length"])] == [
        "0 to 49 characters",
        "50 to 99 characters",
        "100 to 199 characters",
        "1,000 characters and more",
    ]


def test_labels_in_another_order_are_aligned():
    found = compared(Guess("good", labels=("pos", "neg")))
    assert found.metrics["before"] == found.metrics["after"]
    swapped = compared(Guess("good"), positive_label="neg")
    assert swapped.metrics["after"]["recall"] == 1
    assert swapped.classification.labels == ("pos", "neg")


@pytest.mark.parametrize(
    ("before", "frame", "options", "message"),
    [
        (Guess("x", ("pos", "neg")), rows().drop("label"), {}, "no column 'label'"),
        (None, rows().with_columns(label=pl.lit("odd")), {}, "label 'odd', which the model"),
        (None, rows().with_columns(label=pl.lit(None)), {}, "no held-out row has a label"),
        (None, rows(), {"positive_label": "yes"}, "positive_label 'yes' is none"),
    ],
)
def test_what_cannot_be_compared_is_said(before, frame, options, message):
    old = None if before is None else side(before)
    setting = ComparisonSetting(Compare(resamples=10, **options))
    with pytest.raises(TrainingError, match=message):
        compare_models("classification", old, side(Guess("good")), QuestionSet(frame), setting)


def test_models_with_other_labels_are_not_compared():
    class Stars(Guess):
        labels = ("1", "2")

    sides = (side(Stars("good", ("1", "2"))), side(Guess("good")))
    with pytest.raises(TrainingError, match="different labels: 1, 2 and neg, pos"):
        compare_models("classification", *sides, QuestionSet(rows()), ComparisonSetting())


def test_a_golden_set_is_asked_too():
    golden = pl.DataFrame(
        {"row_id": ["1", "2"], "text": ["good", "shoes"], "label": ["pos", "neg"]}
    )
    questions = QuestionSet(rows(), golden=golden)
    setting = ComparisonSetting(Compare(resamples=10, golden="golden.csv"))
    found = compare_models(
        "classification", side(Guess("shoes")), side(Guess("good")), questions, setting
    )
    assert (found.golden.n, found.golden.source) == (2, "golden.csv")
    assert found.golden.wins[0].wins == 2
    accuracy = next(c for c in found.golden.changes if c.name == "accuracy")
    assert (accuracy.before, accuracy.after) == (0, 1)


def test_a_real_classifier_does_not_depend_on_its_batch(classifier_model, wordpiece):
    model = TextClassifier(classifier_model(1), wordpiece, max_length=32)
    together = model.predict_probabilities(TEXTS)
    alone = np.vstack([model.predict_probabilities([text]) for text in TEXTS])
    assert model.labels == ("neg", "pos")
    assert together == pytest.approx(alone, abs=1e-6)
    assert together.sum(1) == pytest.approx(1)
    assert model.embed_texts(TEXTS).shape == (6, 16)


def test_real_classifiers_are_compared(classifier_model, wordpiece):
    sides = [side(TextClassifier(classifier_model(i), wordpiece), f"m{i}") for i in (1, 2)]
    setting = ComparisonSetting(Compare(resamples=50), encoder=sides[0].model)
    questions = QuestionSet(rows(), train=rows())
    found = compare_models("classification", *sides, questions, setting)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
