"""What the comparison cannot ask is said before a step is trained."""

from __future__ import annotations

import pytest

from siftset.schemas.errors import SiftsetError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.train import train
from siftset.trainer.training.session import Session


@pytest.mark.parametrize(
    ("task", "known"),
    [
        ("mlm", "loss, perplexity, accuracy_at_1, accuracy_at_5"),
        ("classification", "loss, accuracy, .*macro_f1"),
    ],
)
@pytest.mark.parametrize("labels", [False, True])
def test_a_metric_that_is_not_measured(
    task, known, labels, tiny_bert, small_set, make_data, tmp_path, progress
):
    if labels:
        rows = {"text": ["the shoe", "a bag", "the sock"], "label": [["a"], ["b"], ["a", "b"]]}
        small_set = make_data({"train": rows, "validation": rows})
    several = labels and task == "classification"
    config = Train(
        task=task, model=str(tiny_bert), multi_label=several, metric_for_best_model="f_one"
    )
    with pytest.raises(SiftsetError, match=f"no 'f_one', expected one of {known}"):
        train(config, Compare(), small_set, out=tmp_path / "m", progress=progress)


@pytest.mark.parametrize(
    ("task", "compare", "message"),
    [
        ("mlm", {"general": "gone.txt"}, "compare.general: no file"),
        ("mlm", {"prompts_file": "gone"}, "no shipped prompts of the name 'gone'"),
        ("mlm", {"prompts": ["the shoe"]}, "prompt 'the shoe' has no mask"),
        ("mlm", {"positive": "gone"}, "no word list 'gone'"),
        ("mlm", {"golden": "gone.jsonl"}, "compare.golden: .* cannot be read"),
        ("classification", {"positive_label": "yes"}, "'yes' is none of the labels: neg, pos"),
        ("classification", {"slices": ["lenght"]}, "the rows have no 'lenght': expected some of"),
        ("causal", {"max_new_tokens": 64}, "max_new_tokens 64 leaves no room for a prompt"),
    ],
)
def test_before_a_step_is_trained(
    task, compare, message, tiny_bert, tiny_gpt2, small_set, tmp_path, progress, monkeypatch
):
    def fit(_: Session) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr(Session, "fit", fit)
    model = str(tiny_gpt2 if task == "causal" else tiny_bert)
    config = Train(task=task, model=model, max_length=64)
    with pytest.raises(SiftsetError, match=message):
        train(config, Compare(**compare), small_set, out=tmp_path / "m", progress=progress)


def test_a_golden_row_with_a_label_of_its_own(tiny_bert, small_set, tmp_path, progress):
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"text": "the shoe is very good .", "label": "fair"}\n')
    config = Train(task="classification", model=str(tiny_bert))
    with pytest.raises(SiftsetError, match="the label 'fair', which the model does not know"):
        train(config, Compare(golden=str(golden)), small_set, out=tmp_path / "m", progress=progress)


def test_pairs_need_no_text(tiny_gpt2, make_data, tmp_path, progress):
    rows = {
        "question": ["what is it ?"] * 4,
        "answer": ["a shoe .", "a bag .", "a sock .", "a hat ."],
    }
    data = make_data({"train": rows, "validation": rows})
    config = Train(task="causal", model=str(tiny_gpt2), max_length=64, max_steps=1)
    compare = Compare(max_new_tokens=4, answers=1, generated=1, resamples=2)
    assert train(config, compare, data, out=tmp_path / "m", progress=progress).steps == 1
