from __future__ import annotations

import pytest

from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.comparison.after_training import gather_session_questions
from siftset.trainer.comparison.remembered import RememberingEncoder
from siftset.trainer.inference.adapters import EvaluationModel
from siftset.trainer.models.loading import load
from siftset.trainer.training.head_init import _Best
from siftset.trainer.training.session import Session


def test_the_weights_of_the_lowest_loss_are_restored():
    import torch

    model = torch.nn.Linear(1, 1, bias=False)
    best = _Best(model)
    for weight, loss in ((1.0, 0.7), (2.0, 0.5), (3.0, 0.6)):
        with torch.no_grad():
            model.weight.fill_(weight)
        best.keep(loss)
    best.restore()
    assert (best.loss, model.weight.item()) == (0.5, 2.0)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_probe_takes_the_states_that_the_head_was_fitted_on(
    pooling, tiny_bert, small_set, tmp_path, progress
):
    config = Train(
        task="classification",
        model=str(tiny_bert),
        pooling=pooling,
        max_train_samples=40,
        max_length=16,
        threads=1,
    )
    session = Session(config, small_set, tmp_path / "model", seed=1, progress=progress)
    session.prepare(resume=False)
    kept = session.features.mean_states(session.tokens["train"])
    rows = gather_session_questions(session, Compare(), "validation").train
    texts = rows["text"].to_list()
    again = load("classification", str(tiny_bert), labels=("neg", "pos"))
    model = EvaluationModel(again.model, again.tokenizer, max_length=16)
    assert kept.shape == (40, 32)
    assert kept == pytest.approx(model.embed_texts(texts), abs=1e-5)

    class Others:
        def embed_texts(self, texts):
            assert list(texts) == ["a new text"]
            return model.embed_texts(texts)

    known = RememberingEncoder.know_texts(Others(), texts, kept)
    asked = [texts[7], "a new text", texts[0]]
    assert known.embed_texts(asked) == pytest.approx(model.embed_texts(asked), abs=1e-5)
