from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from siftset.schemas.errors import ModelError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import Comparison, ModelInfo
from siftset.trainer.comparison import (
    ComparisonSetting,
    ModelSide,
    Prompt,
    QuestionSet,
    compare_models,
)
from siftset.trainer.comparison.questions import write_pairs
from siftset.trainer.inference.generate import CausalLM
from siftset.trainer.tasks.templates import Template


class Parrot:
    """Says one thing."""

    cut_prompts = 0

    def __init__(self, says: str, loss: float) -> None:
        self.says, self.loss = says, loss

    def generate_answers(self, prompts, max_new_tokens):
        return [self.says] * len(prompts)

    def answer_loss(self, prompts, answers):
        return np.array([[self.loss * len(a), len(a)] for a in answers])

    def text_loss(self, texts):
        return np.array([[self.loss * len(t), len(t)] for t in texts])


def side(model: object, name: str = "m") -> ModelSide:
    return ModelSide(model, ModelInfo(name=name))


BEFORE, AFTER = Parrot("no no no no no", 2.0), Parrot("Take a rest now", 1.0)
ROWS = pl.DataFrame(
    {
        "row_id": [str(i) for i in range(30)],
        "text": [f"question {i}" for i in range(30)],
        "question": [f"what helps {i}" for i in range(30)],
        "answer": ["Take a rest now ."] * 15 + ["drink water"] * 15,
        "topic": ["sleep"] * 15 + ["thirst"] * 15,
    }
)
TEMPLATE = Template("Q: {question}\nA: ", "answer")


def compared() -> Comparison:
    questions = QuestionSet(
        ROWS, (Prompt("what is pain"),), general=("other text",) * 3, outside=("capital of Peru",)
    )
    compare = Compare(resamples=100, answers=2, slices=("topic",), max_general_ppl_increase=0)
    questions = write_pairs(questions, TEMPLATE)
    return compare_models(
        "causal", side(BEFORE), side(AFTER), questions, ComparisonSetting(compare)
    )


def test_answers_are_measured():
    found = compared()
    after = found.metrics["after"]
    assert after["loss"] == pytest.approx(1)
    assert after["perplexity"] == pytest.approx(np.e)
    assert (after["exact_match"], after["token_f1"], after["rouge_l"]) == (0.5, 0.5, 0.5)
    by = {change.name: change for change in found.changes}
    assert by["repetition"].before == pytest.approx(2 / 3)
    assert by["repetition"].verdict == "better"
    assert by["bleu"].verdict == "better"
    assert by["chrf"].after > by["chrf"].before
    assert found.forgetting.verdict == "pass"


def test_answers_stand_side_by_side_with_prompts_and_probes():
    answers = compared().causal.answers
    assert [a.prompt for a in answers] == [
        "Q: what is pain\nA: ",
        "Q: what helps 0\nA: ",
        "Q: what helps 1\nA: ",
        "Q: capital of Peru\nA: ",
    ]
    assert (answers[1].before, answers[1].after) == ("no no no no no", "Take a rest now")
    assert answers[1].reference == "Take a rest now ."
    assert [a.outside for a in answers] == [False, False, False, True]


def test_slices_of_answers_by_category():
    slices = compared().causal.slices
    assert [(s.value, s.change.after, s.change.n) for s in slices] == [
        ("sleep", 1.0, 15),
        ("thirst", 0.0, 15),
    ]


def test_plain_text_has_perplexity_and_continuations():
    frame = ROWS.select("row_id", "text")
    questions = QuestionSet(frame, (Prompt("once"),))
    setting = ComparisonSetting(Compare(resamples=20))
    found = compare_models("causal", side(BEFORE), side(AFTER), questions, setting)
    assert [change.name for change in found.changes] == ["loss", "perplexity"]
    assert found.causal.answers[0].after == "Take a rest now"


def test_rows_without_an_answer_are_left_out():
    frame = ROWS.with_columns(answer=pl.lit("")).head(3)
    paired = write_pairs(QuestionSet(pl.concat([frame, ROWS.head(2)])), TEMPLATE)
    assert paired.rows["prompt"].to_list() == ["Q: what helps 0\nA: ", "Q: what helps 1\nA: "]


PROMPTS = ["the shoes are", "a", "nike makes very very good and not bad shoes ."]


@pytest.fixture
def model(causal_model, decoder_tokenizer) -> CausalLM:
    return CausalLM(causal_model(3), decoder_tokenizer, max_length=64)


def test_answers_do_not_depend_on_the_batch(model):
    together = model.generate_answers(PROMPTS, 8)
    assert together == [model.generate_answers([prompt], 8)[0] for prompt in PROMPTS]
    assert all(len(answer.split()) <= 8 for answer in together)


def test_the_prompt_is_cut_by_tokens_on_the_left(model):
    long = " ".join(["good"] * 70 + ["shoes"])
    rows = model.prompt_tokens([long, "shoes"], 10)
    assert [len(row) for row in rows] == [54, 1]
    assert rows[0][-1] == rows[1][0]
    assert model.cut_prompts == 1
    assert (
        model.generate_answers([long], 10)[0]
        == model.generate_answers([" ".join(long.split()[-54:])], 10)[0]
    )
    with pytest.raises(ModelError, match="leaves no room"):
        model.generate_answers(["a"], 64)


def test_the_loss_is_of_the_answer_alone(model):
    prompts, answers = ["the shoes", "a film was"], [" are very good", " fun"]
    found = model.answer_loss(prompts, answers)
    assert found[:, 1].tolist() == [4, 2]
    end = model.tokenizer.eos_token_id
    ids = torch.tensor([[*model.tokenizer(prompts[0] + answers[0])["input_ids"], end]])
    with torch.inference_mode():
        logits = model.model(ids).logits[0].log_softmax(-1)
    expected = -sum(float(logits[i - 1, ids[0, i]]) for i in range(2, 6))
    assert found[0, 0] == pytest.approx(expected, abs=1e-5)


def test_the_loss_of_a_text_counts_every_token_but_the_first_and_its_end(model):
    found = model.text_loss(["a film was fun", "", "a", "a " * 70])
    assert found[:, 1].tolist() == [4, 0, 1, 63], "a text that is cut has no end"
    end = model.tokenizer.eos_token_id
    ids = torch.tensor([[*model.tokenizer("a film was fun")["input_ids"], end]])
    with torch.inference_mode():
        logits = model.model(ids).logits[0].log_softmax(-1)
    expected = -sum(float(logits[i - 1, ids[0, i]]) for i in range(1, 5))
    assert found[0, 0] == pytest.approx(expected, abs=1e-4)


def test_two_real_models_are_compared(causal_model, decoder_tokenizer):
    sides = [side(CausalLM(causal_model(i), decoder_tokenizer, max_length=64)) for i in (1, 2)]
    questions = write_pairs(QuestionSet(ROWS.head(12)), TEMPLATE)
    found = compare_models(
        "causal", *sides, questions, ComparisonSetting(Compare(resamples=20, max_new_tokens=4))
    )
    assert Comparison.model_validate_json(found.model_dump_json()) == found
