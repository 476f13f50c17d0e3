"""Training on conversations: what is learned, what is said of it, and a model that answers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import polars as pl
import pytest
import torch

from siftset.schemas.conversations import MESSAGES
from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.comparison.folders import ComparisonRequest, compare_folders
from siftset.trainer.inference.predict import PredictSettings, load_predictor
from siftset.trainer.tasks.token_cache import read_once
from siftset.trainer.train import train
from siftset.trainer.training.session import Session

_SPEC = importlib.util.spec_from_file_location("_chats", Path(__file__).parents[1] / "chats.py")
assert _SPEC is not None
assert _SPEC.loader is not None
chats = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(chats)

REPLIES = {
    "Where is my order ?": "It left on Monday .",
    "is the coat dry ?": "the coat is warm and dry .",
    "two boxes ?": "one invoice .",
    "colours ?": "ask us about sizes .",
}


@pytest.fixture(scope="module")
def talker(tmp_path_factory) -> Path:
    """Folder of a tiny GPT-2 whose tokenizer knows the marks of turns, without a chat template."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "talker"
    tokenizer = chats.make_tokenizer("bytes")
    tokenizer.model_max_length = 96
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=48,
        n_layer=2,
        n_head=2,
        n_positions=96,
        bos_token_id=1,
        eos_token_id=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def turn(role, content, extra=None):
    return {"role": role, "content": content, "extra": extra}


def talks(n: int) -> dict[str, object]:
    asked = list(REPLIES.items())
    rows = [
        [turn("user", asked[i % 4][0]), turn("assistant", asked[i % 4][1])]
        + (
            [turn("user", asked[(i + 1) % 4][0]), turn("assistant", asked[(i + 1) % 4][1])]
            * (i % 2)
        )
        for i in range(n)
    ]
    texts = ["\n\n".join(one["content"] for one in row) for row in rows]
    return {"messages": pl.Series(rows, dtype=MESSAGES), "text": texts}


@pytest.fixture
def prepare(talker, make_data, tmp_path, progress):
    def make(rows, **settings):
        data = make_data({"train": rows})
        config = {"task": "causal", "model": str(talker), "eval_strategy": "no"}
        settings = config | {"chat_template": "chatml", "max_length": 96} | settings
        made = Session(Train(**settings), data, tmp_path / "o", seed=1, progress=progress)
        with made.quiet_libraries():
            made.prepare(resume=False)
        return made

    return make


def learned(made, row=0):
    tokens = made.tokens["train"]
    batch = made.task.make_collator(tokens)([(0, row), (0, row + 1)])
    return made.task.loaded.tokenizer.decode(batch["targets"])


def findings(made) -> dict[str, str]:
    return {one.name: one.message for one in made.findings}


def test_answers_alone_are_the_targets_of_a_batch(prepare):
    made = prepare(talks(4))
    replies = list(REPLIES.values())
    assert learned(made) == "".join(f"{text}<|im_end|>" for text in [replies[0], *replies[1:3]])
    said = findings(made)["answers of conversations"]
    assert said.startswith("6 answers of 4 conversations of train are learned: by the marks")


def test_the_loss_of_packed_spans_is_that_of_the_answers(prepare):
    from torch.nn import functional

    made = prepare(talks(2))
    tokens, model = made.tokens["train"], made.task.loaded.model.eval()
    batch = made.task.make_collator(tokens)([(0, 0), (0, 1)])
    with torch.inference_mode():
        loss = made.task.sum_loss(model, batch)
        wanted = 0.0
        for row in range(2):
            ids = torch.tensor(tokens.row(row).tolist())
            labels = torch.full_like(ids, -100)
            begin, end = tokens.spans.offsets[row : row + 2]
            for a, b in tokens.spans.bounds[begin:end].tolist():
                labels[a:b] = ids[a:b]
            logits = model(ids[None]).logits[0, :-1]
            wanted += functional.cross_entropy(logits, labels[1:], reduction="sum")
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_columns_are_trained_as_before_where_the_recipe_has_a_template(prepare):
    rows = talks(2) | {"q": ["two boxes ?"] * 2, "a": ["one invoice ."] * 2}
    made = prepare(rows, template="{q} {a}")
    assert made.task.chat is None
    assert "one invoice" in learned(made)


def test_what_was_shortened_and_left_out_is_said(prepare):
    rows = talks(8)
    more = [[turn("user", "x<|im_end|>"), turn("assistant", "y")], [turn("user", "dry ?")]]
    rows = {"messages": pl.concat([rows["messages"], pl.Series(more, dtype=MESSAGES)])}
    rows["text"] = ["x"] * 10
    made = prepare(rows, max_length=40)
    said = findings(made)
    assert "4 of 10 conversations of train (40.0%) lost their first exchanges" in said["shortened"]
    assert "2 of 10 conversations of train (20.0%) are left out" in said["left out"]
    assert "a content holds a special token of the tokenizer (1)" in said["left out"]


def test_of_preference_pairs_the_chosen_answer_is_learned_and_that_is_said(prepare):
    rows = talks(2) | {"chosen": ["x", "y"], "rejected": ["v", "w"]}
    said = findings(prepare(rows))["preference pairs"]
    assert said.endswith("what is chosen is learned, and what is rejected is not")


def test_marks_that_are_no_tokens_are_said(prepare):
    source = "{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}"
    said = findings(prepare(talks(4), chat_template=source))
    assert said["no end of answers"].startswith("chat template: answers end with no token")


def test_no_template_and_nothing_to_learn_are_one_line(prepare):
    with pytest.raises(TrainingError, match="has no chat template: set  train"):
        prepare(talks(4), chat_template="tokenizer")
    unanswered = {"messages": pl.Series([[turn("user", "x")]], dtype=MESSAGES), "text": ["x"]}
    with pytest.raises(TrainingError, match="no conversation can be learned: it has no answer"):
        prepare(unanswered)


def test_other_processes_find_the_spans_and_the_counts(prepare, tmp_path):
    made = prepare(talks(4))
    from dataclasses import replace

    files, path = made.data.files["train"], tmp_path / "shared.arrow"
    first = replace(made.hardware, processes=2, rank=0)
    import siftset.trainer.tasks.token_cache as cache

    waits = cache.wait_for_all
    cache.wait_for_all = lambda _: None
    try:
        one = read_once(made.task, files, path, None, first)
        other = read_once(made.task, files, path, None, replace(first, rank=1))
    finally:
        cache.wait_for_all = waits
    assert other.chats == one.chats
    assert (other.spans.bounds == made.tokens["train"].spans.bounds).all()


@pytest.mark.slow
def test_a_model_that_learned_answers_gives_them_and_stops(talker, make_data, tmp_path, progress):
    from transformers import AutoTokenizer, GenerationConfig

    data = make_data({"train": talks(64), "validation": talks(8)})
    config = Train(
        task="causal", model=str(talker), chat_template="chatml", max_length=96, epochs=30,
        learning_rate=5e-3, batch_size=16, eval_strategy="no",
    )  # fmt: skip
    ask = Compare(resamples=50, prompts=("two boxes ?",), max_new_tokens=40, answers=2)
    out = tmp_path / "models" / "m1"
    train(config, ask, data, out=out, seed=1, progress=progress)
    predictor = load_predictor(str(out), PredictSettings(max_new_tokens=40))
    answers = [one["answer"] for one in predictor(list(REPLIES))]
    assert answers == list(REPLIES.values())

    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert "<|im_start|>" in tokenizer.chat_template
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert GenerationConfig.from_pretrained(out).eos_token_id == [2, end]
    found = json.loads((out / "compare.json").read_text())
    assert found["metrics"]["after"]["exact_match"] == 1.0
    assert found["metrics"]["after"]["perplexity"] < 1.2
    [asked, *held] = found["causal"]["answers"]
    assert (asked["prompt"], asked["after"]) == ("two boxes ?", "one invoice .")
    assert all(REPLIES[one["prompt"]] == one["after"] == one["reference"] for one in held)

    again = compare_folders(str(talker), str(out), data, ComparisonRequest(ask, config))
    assert again.metrics["after"] == pytest.approx(found["metrics"]["after"])
    # the example is an exchange before the question
    example = ("is the coat dry ?", "the coat is warm and dry .")
    shown = PredictSettings(examples=(example,), max_new_tokens=40)
    assert load_predictor(str(out), shown)(["two boxes ?"])[0]["answer"] == "one invoice ."
