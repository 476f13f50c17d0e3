from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.tasks.templates import find_template
from siftset.trainer.train import train
from siftset.trainer.training.session import Session

NAMES = ("shoe", "sock", "hat", "bag", "ball", "glove")


def pairs(n: int) -> dict[str, list[str]]:
    return {
        "question": [f"what is the {NAMES[i % 6]}" for i in range(n)],
        "answer": [f"it is {('good', 'bad')[i % 2]} and very light ." for i in range(n)],
    }


@pytest.fixture
def session(tiny_gpt2, make_data, tmp_path, progress):
    def prepare(columns, **settings):
        data = make_data({"train": columns})
        settings = {"task": "causal", "model": str(tiny_gpt2), "eval_strategy": "no"} | settings
        made = Session(Train(**settings), data, tmp_path / "o", seed=1, progress=progress)
        with made.quiet_libraries():
            made.prepare(resume=False)
        return made

    return prepare


def learned(made, row=0):
    """Return the words of a row that are predicted."""
    tokens = made.tokens["train"]
    batch = made.task.make_collator(tokens)([(0, row)])
    return made.task.loaded.tokenizer.decode(batch["targets"]).split()


def test_the_answer_alone_is_learned_and_its_end(session):
    made = session(pairs(12))
    assert learned(made) == ["it", "is", "good", "and", "very", "light", ".", "<end>"]


def test_the_prompt_too_if_asked(session):
    made = session(pairs(12), answer_only_loss=False)
    assert learned(made)[-3:] == ["light", ".", "<end>"]
    assert "what" in learned(made)


def test_plain_text_line_by_line_and_in_chunks(session):
    texts = {"text": ["the shoe is good .", "the hat is bad and it was cold .", None, ""]}
    made = session(texts, line_by_line=True)
    assert made.tokens["train"].lengths.tolist() == [6, 10]
    assert learned(made) == ["shoe", "is", "good", ".", "<end>"]
    chunked = session(texts, max_length=6).tokens["train"]
    assert chunked.lengths.tolist() == [6, 6, 4]
    assert int(chunked.row(0)[5]) == 0, "texts are separated by the end token"


@pytest.mark.parametrize(
    "columns", [pairs(24), {"text": [" ".join(NAMES[: i % 5 + 1]) for i in range(24)]}]
)
def test_training_and_comparison_have_one_perplexity(
    columns, tiny_gpt2, make_data, tmp_path, progress
):
    config = Train(task="causal", model=str(tiny_gpt2), epochs=2, learning_rate=1e-3, max_length=16)
    data = make_data({"train": columns, "validation": {k: v[::2] for k, v in columns.items()}})
    ask = Compare(resamples=20, positive=None, negative=None, max_new_tokens=2, generated=1)
    result = train(config, ask, data, out=tmp_path / "m", seed=1, progress=progress)
    rows = json.loads((result.model / "curves.json").read_text())
    held = [row["eval_perplexity"] for row in rows if "eval_perplexity" in row]
    assert result.metrics["before"]["perplexity"] == pytest.approx(held[0], rel=1e-4)
    assert result.metrics["after"]["perplexity"] == pytest.approx(min(held), rel=1e-4)


def test_a_long_pair_keeps_room_for_the_answer(session):
    columns = {"question": ["what is " * 40], "answer": ["very good and light ."]}
    made = session(columns, max_length=16)
    assert made.tokens["train"].lengths.tolist() == [16]
    assert learned(made)[-2:] == [".", "<end>"]
    assert made.tokens["train"].cut == 1


def test_loss_equals_that_of_the_stock_model(session):
    made = session(pairs(12), answer_only_loss=False)
    model = made.task.loaded.model.eval()
    tokens = made.tokens["train"]
    batch = made.task.make_collator(tokens)([(0, i) for i in range(4)])
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    stock = model(**inputs, labels=labels).loss
    ours = made.task.sum_loss(model, batch) / batch["items"]
    assert abs(stock.item() - ours.item()) < 5e-6


@pytest.mark.parametrize(
    ("columns", "written", "asked", "reply"),
    [
        (("question", "answer"), None, "Question: q\nAnswer: ", "a"),
        (("instruction", "input", "output"), None, "Instruction: q\nq\nOutput: ", "a"),
        (("input", "output"), None, "Input: q\nOutput: ", "a"),
        (("x", "y"), "Q {x} A {y}!", "Q q A ", "a!"),
    ],
)
def test_templates(columns, written, asked, reply):
    template = find_template(columns, written)
    row = dict.fromkeys(columns, "q") | {columns[-1]: "a"}
    assert template.ask(row) == asked
    assert template.reply(row) == reply


@pytest.mark.parametrize(
    ("columns", "names", "written", "asked"),
    [
        (("text", "answer"), {"question": "text"}, None, "Question: t\nAnswer: "),
        (("question", "text"), {"answer": "text"}, None, "Question: q\nAnswer: "),
        (("text", "answer"), {"question": "text"}, "{question}? {answer}", "t? "),
        (("text", "answer"), {"question": "text"}, "{text}? {answer}", "t? "),
        (("text", "question", "answer"), {"question": "text"}, "{question}{answer}", "q"),
    ],
)
def test_templates_know_columns_by_the_names_of_the_source(columns, names, written, asked):
    template = find_template(columns, written, names)
    assert template.ask({"text": "t", "question": "q", "answer": "a"}) == asked
    assert template.answer == columns[-1]


def test_text_without_a_pair_stays_plain_text():
    assert find_template(("text", "answer"), None, {"body": "text"}) is None


def test_a_template_evaluates_nothing_and_names_columns():
    template = find_template(("x", "y"), "{x.__class__} {x}: {y}")
    assert template.ask({"x": "1", "y": "2"}) == "{x.__class__} 1: "
    with pytest.raises(RecipeError, match="names the column 'z'"):
        find_template(("x", "y"), "{z} {y}")
    with pytest.raises(RecipeError, match="has no place"):
        find_template(("x",), "text")
    assert find_template(("text",), None) is None


def test_a_small_model_learns_to_answer(tiny_gpt2, make_data, tmp_path, progress):
    data = make_data({"train": pairs(96), "validation": pairs(12)})
    config = Train(task="causal", model=str(tiny_gpt2), epochs=30, learning_rate=5e-3)
    compare = Compare(resamples=20, max_new_tokens=8, answers=2, positive=None, negative=None)
    result = train(config, compare, data, out=tmp_path / "m", seed=1, progress=progress)
    assert result.metrics["after"]["loss"] < 0.5 * result.metrics["before"]["loss"]
    found = json.loads((tmp_path / "m" / "compare.json").read_text())["causal"]["answers"]
    assert found[0]["after"].startswith("it is")
    assert json.loads((tmp_path / "m" / "siftset.json").read_text())["answer"] == "answer"
    assert "siftset" in (tmp_path / "m" / "README.md").read_text()
    assert torch.isfinite(torch.tensor(result.tokens_per_second))
    assert np.isfinite(result.seconds)
