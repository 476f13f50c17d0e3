from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import polars as pl
import pytest
import torch

from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import ModelInfo
from siftset.trainer.comparison import ComparisonSetting, QuestionSet, compare_models
from siftset.trainer.inference.adapters import LOGITS_AT_ONCE, MaskedLM
from siftset.trainer.inference.generate import CausalLM
from siftset.trainer.inference.load_model import ModelSide

TEXT = "the shoes are very good and not bad , a film was great fun"


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers the most numbers that any one tensor held."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.most = max(self.most, out.numel())
        return out


def largest(work) -> int:
    with Largest() as seen:
        work()
    return seen.most


@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_no_tensor_grows_with_the_rows(
    kind, masked_model, wordpiece, causal_model, decoder_tokenizer
):
    if kind == "masked":
        model = MaskedLM(masked_model(1), wordpiece)

        def ask(n: int) -> np.ndarray:
            return model.score_masked([TEXT] * n, [str(i) for i in range(n)], 0)
    else:
        model = CausalLM(causal_model(1), decoder_tokenizer)

        def ask(n: int) -> np.ndarray:
            return model.text_loss([TEXT] * n)

    few, many = largest(lambda: ask(1000)), largest(lambda: ask(4000))
    assert many <= 1.05 * few
    assert many <= LOGITS_AT_ONCE
    assert ask(50).nbytes <= 50 * 5 * 8


def test_intervals_do_not_hold_rows_times_resamples():
    def peak(n: int) -> int:
        rows = pl.DataFrame({"row_id": [str(i) for i in range(n)], "text": ["abc"] * n})

        class Flat:
            cut_prompts = 0

            def generate_answers(self, prompts, max_new_tokens):
                return []

            def text_loss(self, texts):
                return np.ones((len(texts), 2))

            answer_loss = text_loss

        one = ModelSide(Flat(), ModelInfo(name="m"))
        gc.collect()
        tracemalloc.start()
        compare_models(
            "causal", one, one, QuestionSet(rows), ComparisonSetting(Compare(resamples=300))
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # From 20,000 rows on a block of weights is full: more rows make fewer resamples of it.
    assert peak(40_000) < 1.5 * peak(20_000)
