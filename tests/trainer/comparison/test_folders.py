from __future__ import annotations

import polars as pl
import pytest

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.trainer.comparison import (
    ComparisonRequest,
    compare_folders,
)

TEXTS = ["a good film", "a bad film", "fun and great", "dull and boring", "nice shoes"]


@pytest.fixture
def data(tmp_path) -> TrainingData:
    n = 40
    frame = pl.DataFrame(
        {
            "row_id": [f"{i:04d}" for i in range(n)],
            "text": [TEXTS[i % 5] for i in range(n)],
            "label": [i % 2 for i in range(n)],
            "question": [f"what is {TEXTS[i % 5]}" for i in range(n)],
            "answer": [TEXTS[i % 5] for i in range(n)],
        }
    )
    files = {}
    for split in ("train", "validation"):
        path = tmp_path / f"{split}.parquet"
        frame.write_parquet(path)
        files[split] = (path,)
    lineage = Lineage("nike", "ab12", "set", 7, "run-1", "nike & positive", "cd34")
    return TrainingData(files, lineage)


@pytest.fixture
def save(tmp_path):
    def to(name, model, tokenizer) -> str:
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    return to


def test_two_masked_models_on_disk(data, save, masked_model, wordpiece):
    names = [save(f"m{i}", masked_model(i), wordpiece) for i in (1, 2)]
    compare = Compare(prompts=("the shoes are [MASK]",), resamples=20, max_rows=10)
    found = compare_folders(*names, data, ComparisonRequest(compare, seed=3))
    assert found.questions.rows == 10
    assert found.questions.cut == 30
    assert found.provenance["set_version"] == 7
    assert found.before.parameters == found.after.parameters
    assert len(found.mlm.prompts[0].masks[0].after) == 10
    assert found == compare_folders(*names, data, ComparisonRequest(compare, seed=3))
    other = compare_folders(*names, data, ComparisonRequest(compare, seed=4))
    assert other.questions.hash != found.questions.hash


def test_classifiers_on_disk_with_named_labels(data, save, classifier_model, wordpiece):
    names = [save(f"c{i}", classifier_model(i), wordpiece) for i in (1, 2)]
    train = Train(task="classification", labels={"0": "neg", "1": "pos"})
    found = compare_folders(*names, data, ComparisonRequest(Compare(resamples=20), train))
    assert found.before_kind == "previous model"
    assert [m.kind for m in found.classification.models] == ["baseline"] * 2 + ["model"] * 2


def test_a_base_without_a_classifying_head_becomes_a_probe(
    data, save, masked_model, classifier_model, wordpiece
):
    base = save("base", masked_model(1), wordpiece)
    after = save("after", classifier_model(2), wordpiece)
    train = Train(task="classification", labels={"0": "neg", "1": "pos"})
    found = compare_folders(base, after, data, ComparisonRequest(Compare(resamples=20), train))
    assert found.before_kind == "linear probe"
    assert found.metrics["before"]["accuracy"] is not None


def test_causal_models_on_disk_are_asked_with_the_template(
    data, save, causal_model, decoder_tokenizer
):
    names = [save(f"g{i}", causal_model(i), decoder_tokenizer) for i in (1, 2)]
    compare = Compare(resamples=20, max_new_tokens=3, answers=2, prompts=("is it fun",))
    found = compare_folders(*names, data, ComparisonRequest(compare))
    assert [a.prompt for a in found.causal.answers] == [
        "Question: is it fun\nAnswer: ",
        "Question: what is a good film\nAnswer: ",
        "Question: what is a bad film\nAnswer: ",
    ]


def test_a_set_without_held_out_rows_is_an_error(data, save, masked_model, wordpiece):
    name = save("m", masked_model(1), wordpiece)
    bare = TrainingData({"train": data.files["train"]}, data.lineage)
    with pytest.raises(TrainingError, match="neither test nor validation"):
        compare_folders(name, name, bare, ComparisonRequest())
