from __future__ import annotations

import json
import shutil

import pytest
import torch

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.loading import load
from siftset.trainer.models.mean_pooling import add_averaging_layer, has_averaging_layer, wants_mean
from siftset.trainer.models.methods import layers_of, prepare_method
from siftset.trainer.training.session import Session

IDS = torch.tensor([[2, 9, 14, 21, 3, 0, 0], [2, 11, 8, 7, 20, 9, 3]])


@pytest.fixture
def averaged(tiny_bert, tmp_path):
    """A folder that says, as sentence-transformers does, that its encoder is to be averaged."""
    folder = tmp_path / "averaged"
    shutil.copytree(tiny_bert, folder)
    (folder / "1_Pooling").mkdir()
    said = {"pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    return folder


def test_the_first_state_becomes_the_standardised_mean_whatever_the_padding(tiny_bert):
    model = load("classification", str(tiny_bert), labels=("a", "b")).model.eval()
    mask = (IDS != 0).long()
    with torch.no_grad():
        hidden = model.base_model(IDS, attention_mask=mask)[0]
        weights = mask[..., None].float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        assert add_averaging_layer(model)
        found = model.base_model(IDS, attention_mask=mask)[0][:, 0]
        alone = model.base_model(IDS[:1, :5])[0][:, 0]
    assert torch.allclose(found, torch.nn.functional.layer_norm(mean, (32,)), atol=5e-3)
    assert torch.allclose(alone[0], found[0], atol=1e-5)
    assert not add_averaging_layer(model), "one such layer is enough"


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, False), ("{", False), ("[]", False), ('{"pooling_mode_cls_token": true}', False)],
)
def test_only_an_encoder_that_says_so_is_averaged(said, expected, tmp_path):
    if said is not None:
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling" / "config.json").write_text(said)
    assert wants_mean(str(tmp_path)) is expected


@pytest.mark.parametrize("method", ["frozen", "full", {"last_layers": 3}, {"lora": {"rank": 2}}])
def test_the_layer_does_not_learn_and_the_model_stays_a_stock_one(
    method, averaged, tmp_path, progress, small_set
):
    from transformers import AutoModelForSequenceClassification

    config = Train(
        task="classification",
        model=str(averaged),
        method=method,
        max_steps=2,
        learning_rate=0.01,
        eval_strategy="no",
        head_start="random",
    )
    session = Session(config, small_set, tmp_path / "out", seed=3, progress=progress)
    with session.quiet_libraries():
        session.prepare(resume=False)
        session.fit()
        trained = session.take_trained().model
        trained.save_pretrained(tmp_path / "saved")
    value = trained.base_model.encoder.layer[-1].intermediate.dense.weight
    assert not value.any()
    assert len(layers_of(trained)) == 3
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    assert again.config.num_hidden_layers == 4
    mask = (IDS != 0).long()
    with torch.no_grad():
        expected = trained.eval()(IDS, attention_mask=mask).logits
        assert torch.allclose(again(IDS, attention_mask=mask).logits, expected, atol=1e-6)


def test_a_trained_head_keeps_reading_what_it_was_trained_on(tiny_bert, tmp_path, small_set):
    from siftset.trainer.tasks import prepare_task

    folder = tmp_path / "head"
    made = load("classification", str(tiny_bert), labels=("neg", "pos"))
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    config = Train(task="classification", model=str(folder), pooling="mean")
    assert not has_averaging_layer(prepare_task(config, small_set, seed=0).loaded.model)


def test_a_decoder_cannot_be_averaged_this_way(tiny_gpt2, small_set):
    from siftset.trainer.tasks import prepare_task

    config = Train(task="classification", model=str(tiny_gpt2), pooling="mean")
    with pytest.raises(TrainingError, match="pooling: mean needs an encoder with the layers of"):
        prepare_task(config, small_set, seed=0)


def test_more_layers_than_learn_are_refused(averaged, small_set):
    from siftset.trainer.tasks import prepare_task

    config = Train(task="classification", model=str(averaged), method={"last_layers": 4})
    model = prepare_task(config, small_set, seed=0).loaded.model
    with pytest.raises(TrainingError, match="more than the 3 layers"):
        prepare_method(model, config)


@pytest.mark.parametrize("method", ["frozen", "full"])
def test_a_new_head_is_fitted_before_the_first_step(
    method, averaged, tmp_path, progress, small_set
):
    def first_loss(start):
        settings = {"method": method, "max_steps": 1, "head_start": start}
        config = Train(task="classification", model=str(averaged), **settings)
        session = Session(config, small_set, tmp_path / start, seed=3, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=False)
            session.fit()
        return next(log["eval_loss"] for log in session.loop.state.log_history)

    assert first_loss("fitted") < 0.95 * first_loss("random")
