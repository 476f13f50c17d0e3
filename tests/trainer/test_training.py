from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.train import train
from siftset.trainer.training.session import Session

ASK = Compare(resamples=50, positive=None, negative=None, prompts=("the shoe is very [MASK] .",))


@pytest.fixture
def fit(tmp_path, progress):
    """Train without the comparison; return the session."""

    def run(config, data, *, name="out", resume=True, seed=3):
        session = Session(config, data, tmp_path / name, seed=seed, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=resume)
            session.fit()
        return session

    return run


@pytest.fixture
def without_dropout(tmp_path):
    """Copy a model's folder and switch its dropout off."""

    def copy(folder):
        still = tmp_path / f"still-{folder.name}"
        shutil.copytree(folder, still)
        config = json.loads((still / "config.json").read_text())
        drops = {k: 0.0 for k in config if "dropout" in k or k.endswith("pdrop")}
        (still / "config.json").write_text(json.dumps(config | drops))
        return str(still)

    return copy


def weights(session):
    return {name: value.clone() for name, value in session.loop.model.state_dict().items()}


def test_a_masked_lm_learns_and_is_saved_whole(tiny_bert, small_set, tmp_path, progress):
    config = Train(
        task="mlm", model=str(tiny_bert), epochs=12, learning_rate=5e-3, line_by_line=True
    )
    out = tmp_path / "models" / "m1"
    result = train(config, ASK, small_set, out=out, seed=1, progress=progress)

    before, after = result.metrics["before"], result.metrics["after"]
    assert after["loss"] < 0.8 * before["loss"]
    assert after["perplexity"] < before["perplexity"]
    assert result.to_json()["model"] == str(out)
    assert result.steps == 36
    assert result.tokens_per_second > 0
    assert sorted(p.name for p in out.parent.iterdir()) == ["m1"]
    curves = json.loads((out / "curves.json").read_text())
    assert {"step", "loss", "learning_rate", "perplexity"} <= curves[1].keys()
    assert sum("eval_loss" in row for row in curves) == 13
    comparison = json.loads((out / "compare.json").read_text())
    assert comparison["mlm"]["prompts"]

    from transformers import AutoModelForMaskedLM, AutoTokenizer

    again = AutoModelForMaskedLM.from_pretrained(out, local_files_only=True)
    assert AutoTokenizer.from_pretrained(out).mask_token == "[MASK]"
    saved = load_file(out / "model.safetensors")
    for name, value in again.state_dict().items():
        if name in saved:
            assert torch.equal(value, saved[name])


def test_a_classifier_learns_its_labels_by_name(tiny_bert, small_set, tmp_path, progress):
    config = Train(
        task="classification",
        model=str(tiny_bert),
        epochs=6,
        learning_rate=3e-3,
        labels={"pos": "praise", "neg": "criticism"},
    )
    result = train(config, ASK, small_set, out=tmp_path / "c", seed=1, progress=progress)
    assert result.metrics["after"]["accuracy"] == 1.0
    read = json.loads((tmp_path / "c" / "config.json").read_text())
    assert read["id2label"] == {"0": "criticism", "1": "praise"}
    assert "untrained head" in {finding.name for finding in result.findings}
    assert not any("UNTRAINED HEAD" in line for line in progress.lines), "a probe stands before it"


@pytest.mark.parametrize("task", ["mlm", "classification"])
@pytest.mark.parametrize("weighted", [None, "balanced"])
def test_accumulation_does_not_change_a_step(
    task, weighted, tiny_bert, without_dropout, make_data, rows_of, fit
):
    if task == "mlm" and weighted:
        pytest.skip("masked tokens have no classes")
    rows = rows_of(18)
    rows["label"][:3] = ["neg"] * 3
    data = make_data({"train": rows})
    found, folder = [], without_dropout(tiny_bert)
    for size, accumulation in ((16, 1), (4, 4)):
        config = Train(
            task=task,
            model=folder,
            batch_size=size,
            gradient_accumulation_steps=accumulation,
            max_steps=1,
            optim="sgd",
            learning_rate=1.0,
            lr_scheduler_type="constant",
            max_grad_norm=0,
            weight_decay=0,
            eval_strategy="no",
            line_by_line=True,
            train_sampling_strategy="sequential",
            class_weights=weighted,
        )
        session = fit(config, data, name=f"a{accumulation}")
        found.append((weights(session), session.loop.state.log_history[0]))
    one, four = found
    assert one[1]["loss"] == pytest.approx(four[1]["loss"], abs=1e-5)
    assert one[1]["grad_norm"] == pytest.approx(four[1]["grad_norm"], rel=1e-4)
    for name, value in one[0].items():
        assert torch.allclose(value, four[0][name], atol=1e-6), name


def test_a_decoder_classifies_alike_alone_and_in_a_batch(tiny_gpt2, small_set, fit, tmp_path):
    config = Train(task="classification", model=str(tiny_gpt2), max_steps=4)
    session = fit(config, small_set)
    trained = session.take_trained()
    assert trained.tokenizer.pad_token_id == trained.model.config.pad_token_id is not None

    tokens = session.tokens["validation"]
    collate = session.task.make_collator(tokens)
    rows = [(0, i) for i in range(8)]

    def logits(keys):
        batch = collate(keys)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            return trained.model(**inputs).logits

    assert len({int(tokens.lengths[i]) for _, i in rows}) > 1
    together = logits(rows)
    alone = torch.cat([logits([key]) for key in rows])
    assert torch.allclose(together, alone, atol=1e-6)


def test_two_runs_are_bit_equal_and_another_seed_is_not(tiny_bert, small_set, fit):
    config = Train(task="mlm", model=str(tiny_bert), max_steps=5, line_by_line=True)
    one, two = fit(config, small_set, name="one"), fit(config, small_set, name="two")
    other = fit(config, small_set, name="three", seed=4)
    for name, value in weights(one).items():
        assert torch.equal(value, weights(two)[name])
    key = "bert.embeddings.word_embeddings.weight"
    assert not torch.equal(weights(one)[key], weights(other)[key])


def test_the_best_model_is_kept_and_training_stops_early(tiny_bert, make_data, rows_of, fit):
    wrong = rows_of(24, start=200)
    wrong["label"][:] = ["neg" if label == "pos" else "pos" for label in wrong["label"]]
    data = make_data({"train": rows_of(96), "validation": wrong})
    config = Train(
        task="classification",
        model=str(tiny_bert),
        epochs=20,
        learning_rate=3e-3,
        early_stopping_patience=4,
    )
    session = fit(config, data)
    losses = [row["eval_loss"] for row in session.curves() if "eval_loss" in row]
    assert session.loop.state.global_step < 20 * 3
    assert len(losses) < 18
    sums = session.loop.measure_split(session.tokens["validation"])
    assert session.task.compute_metrics(sums)["loss"] == pytest.approx(min(losses[1:]), abs=1e-5)
    assert {"over-fitting"} <= {finding.name for finding in session.findings}


def test_evaluation_does_not_depend_on_its_batches(tiny_bert, small_set, fit, monkeypatch):
    config = Train(task="mlm", model=str(tiny_bert), max_steps=2, line_by_line=True)
    session = fit(config, small_set)
    whole = session.task.compute_metrics(session.loop.measure_split(session.tokens["validation"]))
    monkeypatch.setattr("siftset.trainer.training.trainer.EVALUATED_TOKENS", {"cpu": 1})
    parts = session.task.compute_metrics(session.loop.measure_split(session.tokens["validation"]))
    assert parts == pytest.approx(whole, abs=1e-6)
    assert set(whole) == {"loss", "perplexity", "accuracy_at_1", "accuracy_at_5"}
