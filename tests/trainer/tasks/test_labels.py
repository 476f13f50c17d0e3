from __future__ import annotations

import numpy as np
import pytest
import torch

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.tasks.labels import Labels, find_class_weights, find_labels
from siftset.trainer.train import train
from siftset.trainer.training.session import Session


def classes(make_data, values, **settings):
    data = make_data({"train": {"text": ["a"] * len(values), "label": values}})
    return find_labels(data.files, Train(task="classification", **settings))


@pytest.mark.parametrize(
    ("values", "mapping", "names"),
    [
        (["neg", "pos"], {}, ("neg", "pos")),
        ([10, 2, 1], {}, ("1", "2", "10")),
        ([0.0, 1.0], {}, ("0", "1")),
        ([True, False], {}, ("false", "true")),
        (
            [0, 1, 2],
            {0: "negative", 1: "neutral", 2: "positive"},
            ("negative", "neutral", "positive"),
        ),
        ([0, 1, 4], {0: "negative", 1: "negative", 4: "positive"}, ("negative", "positive")),
        (["0", "1"], {0: "no", 1: "yes"}, ("no", "yes")),
    ],
)
def test_order_and_names_of_classes(values, mapping, names, make_data):
    assert classes(make_data, values, labels=mapping).names == names


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = Labels(("a", "b"), (30, 10), {"a": 0, "b": 1})
    found = find_class_weights(labels, Train(task="classification", class_weights="balanced"))
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=[0] * 30 + [1] * 10)
    assert found == pytest.approx(expected.tolist())


def test_weighted_loss_equals_that_of_torch(tiny_bert, small_set, tmp_path, progress):
    config = Train(
        task="classification", model=str(tiny_bert), class_weights={"neg": 3.0}, max_steps=1
    )
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    session.prepare(resume=False)
    model = session.task.loaded.model.eval()
    batch = session.task.make_collator(session.tokens["train"])([(0, i) for i in range(9)])
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = torch.nn.functional.cross_entropy(
        logits, batch["labels"], weight=torch.tensor([3.0, 1.0])
    )
    ours = session.task.sum_loss(model, batch) / batch["items"]
    assert ours.item() == pytest.approx(expected.item(), abs=1e-6)


def test_several_labels_a_row(tiny_bert, make_data, tmp_path, progress):
    texts, labels = [], []
    for i in range(96):
        chosen = [name for bit, name in enumerate(("shoe", "hat")) if i >> bit & 1]
        texts.append("the " + " and the ".join([*chosen, "bag"]))
        labels.append(chosen)
    held = {"text": texts[:16], "label": labels[:16]}
    data = make_data({"train": {"text": texts, "label": labels}, "validation": held})
    config = Train(
        task="classification",
        model=str(tiny_bert),
        multi_label=True,
        pooling="mean",
        epochs=12,
        learning_rate=5e-3,
    )
    compare = Compare(resamples=20, positive=None, negative=None)
    result = train(config, compare, data, out=tmp_path / "m", seed=1, progress=progress)
    assert result.metrics["after"]["micro_f1"] > 0.9
    assert result.metrics["after"]["accuracy"] > 0.8

    from transformers import AutoConfig

    read = AutoConfig.from_pretrained(tmp_path / "m")
    assert read.problem_type == "multi_label_classification"
    assert read.id2label == {0: "hat", 1: "shoe"}


def three_of_each(classes):
    """Return rows of which a third is held out: three texts of each class."""
    rows = [(f"the {noun} is number {i} .", f"c{i:03}") for noun in ("shoe", "hat", "bag")
            for i in range(classes)]  # fmt: skip
    texts, labels = zip(*rows, strict=True)
    cut = 2 * classes
    parts = slice(cut), slice(cut, None)
    return [{"text": texts[part], "label": labels[part]} for part in parts]


def test_two_hundred_classes_of_three_rows_train(tiny_bert, make_data, tmp_path, progress):
    learned, held = three_of_each(200)
    data = make_data({"train": learned, "validation": held})
    config = Train(task="classification", model=str(tiny_bert), max_steps=2, head_start="random")
    compare = Compare(resamples=20, baselines=("majority",))
    result = train(config, compare, data, out=tmp_path / "m", seed=1, progress=progress)
    assert len(result.metrics["after"]) > 10
    (few,) = [one for one in result.findings if one.name == "too few rows of a class"]
    assert few.value == 2


def test_a_class_that_is_never_in_train_is_named_with_its_split(make_data):
    learned, held = three_of_each(20)
    there = [label != "c007" for label in learned["label"]]
    some = {name: [v for v, kept in zip(values, there, strict=True) if kept]
            for name, values in learned.items()}  # fmt: skip
    data = make_data({"train": some, "validation": held})
    with pytest.raises(TrainingError, match=r"never in train: 'c007' \(1 row"):
        find_labels(data.files, Train(task="classification"))


@pytest.mark.parametrize(("rows", "said"), [(30, True), (29, False)])
def test_imbalance_is_said_from_three_to_one(rows, said, tiny_bert, make_data, tmp_path, progress):
    labels = ["a"] * rows + ["b"] * 10
    texts = [f"the shoe is {i} ." for i in range(len(labels))]
    data = make_data({"train": {"text": texts, "label": labels}})
    config = Train(task="classification", model=str(tiny_bert))
    session = Session(config, data, tmp_path / "o", seed=1, progress=progress)
    session.prepare(resume=False)
    assert ("class imbalance" in {one.name for one in session.findings}) is said
