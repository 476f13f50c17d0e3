"""`siftset predict` on files, with worked examples, and as vectors; pushing without a hub."""

from __future__ import annotations

import json

import polars as pl
import pytest


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "in.jsonl"
    rows = [{"n": i, "body": f"the {word} is [MASK]"} for i, word in enumerate(("shoe", "sock"))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_is_answered_line_by_line(tiny_bert, lines, tmp_path, run):
    out = tmp_path / "out.jsonl"
    done = run(
        "predict", tiny_bert, "--file", lines, "--out", out, "--column", "body", "--top-k", 2
    )
    assert done.exit_code == 0, done.stderr
    first, second = map(json.loads, out.read_text().splitlines())
    assert (first["n"], second["n"]) == (0, 1)
    assert len(second["masks"][0]) == 2


def test_worked_examples_come_before_the_prompt(tiny_gpt2, tmp_path, monkeypatch, run):
    examples = tmp_path / "examples.jsonl"
    examples.write_text('["the shoe", "good"]\n')
    asked = []
    from siftset.trainer.inference.generate import CausalLM

    generate = CausalLM.generate_answers

    def listen(self, prompts, max_new_tokens):
        asked.append((list(prompts), max_new_tokens))
        return generate(self, prompts, max_new_tokens)

    monkeypatch.setattr(CausalLM, "generate_answers", listen)
    more = ("--examples", examples, "--max-new-tokens", 3, "--json")
    done = run("predict", tiny_gpt2, "the sock", *more)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "causal"
    assert asked == [(["the shoe\ngood\n\nthe sock\n"], 3)]


def test_vectors_of_a_file_go_to_parquet(tiny_bert, lines, tmp_path, run):
    out = tmp_path / "v.parquet"
    flags = ("--file", lines, "--out", out, "--column", "body", "--embeddings", "--json")
    done = run("predict", tiny_bert, *flags)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 2
    vectors = pl.read_parquet(out)
    assert vectors.columns == ["n", "embedding"]
    assert vectors["n"].to_list() == [0, 1]
    assert vectors["embedding"].list.len().to_list() == [32, 32]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "give texts, or --file with --out"),
        (("a text", "--file", "in.jsonl", "--out", "x"), "give texts, or --file with --out"),
        (("--file", "in.jsonl"), "give texts, or --file with --out"),
        (("a text", "--embeddings"), "--embeddings reads --file"),
    ],
)
def test_what_does_not_go_together_is_said(tiny_bert, more, message, run):
    done = run("predict", tiny_bert, *more)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_vectors_of_a_column_that_is_not_there(tiny_bert, lines, tmp_path, run):
    done = run(
        "predict", tiny_bert, "--file", lines, "--out", tmp_path / "v.parquet", "--embeddings"
    )
    assert done.exit_code == 2
    assert "has no column 'text', expected one of: n, body" in done.stderr


def test_a_push_without_a_hub_is_one_line(tmp_path, monkeypatch):
    from siftset.pipeline.model_registry.push_to_hub import push_model
    from siftset.schemas.errors import OutputError

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match="the hub did not take me/model") as caught:
        push_model(tmp_path, "me/model")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
