"""Leaks of conversations: by prompt, by answer, and from a held-out file."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.profile.leakage import held_out_leaks, split_leaks
from siftset.pipeline.reports.run.split_statements import judge_answers
from siftset.pipeline.stages.measures.measure_split import open_held_out
from siftset.schemas.conversations import MESSAGES, view
from siftset.schemas.errors import SourceError
from siftset.schemas.results.metrics import Leak, Run, RunMetrics

LONG = "Wool keeps its warmth even when it is damp, because its fibres hold air."


def talk(*contents: str) -> list[dict[str, str | None]]:
    roles = ["user", "assistant"] * len(contents)
    return [
        {"role": role, "content": content, "extra": None}
        for role, content in zip(roles, contents, strict=False)
    ]


def rows(*talks: list[dict[str, str | None]], split: str) -> pl.DataFrame:
    frame = pl.DataFrame({"messages": list(talks)}, schema={"messages": MESSAGES})
    ids = [f"{split}{at}" for at in range(len(talks))]
    return frame.with_columns(
        row_id=pl.Series(ids), split=pl.lit(split), text=view("all")
    ).with_columns(pl.col("text").fill_null(""))


TRAIN = rows(
    talk("Is wool warm?", LONG),
    talk("Hi", "Hello.", "Is it blue?", "You're welcome!"),
    talk("Which size?", "Half a size up."),
    split="train",
)
TEST = rows(
    talk("IS WOOL WARM", "Yes."),  # the prompt
    talk("Does felt keep one warm?", LONG.upper()),  # the answer
    talk("Thanks", "You're welcome!"),  # a short answer is none
    talk("Hi", "Hello.", "Is it blue?", "It is green."),  # the prompt, several turns
    talk("Hi", "Good day.", "Is it blue?", "It is red."),  # another turn between
    split="test",
)


def by_kind(leaks: tuple[Leak, ...]) -> dict[str, int]:
    return {leak.kind: leak.rows for leak in leaks}


def test_planted_prompts_and_answers_are_found():
    leaks = split_leaks(pl.concat([TRAIN, TEST]).lazy())
    counts = by_kind(leaks)
    assert (counts["prompt"], counts["answer"]) == (2, 1)
    assert counts["any"] == 2, "an answer alone makes no row the same"
    run = Run(run_id="1", recipe="chats", arguments=("chats.yaml",))
    [found] = judge_answers(RunMetrics.model_construct(leakage=leaks, run=run))
    assert found.claim == "1 of 5 rows of test ends with an answer that train has too."
    assert found.command == "siftset explain chats.yaml --row test1"
    [answer] = [leak for leak in leaks if leak.kind == "answer"]
    assert [one.row_id for one in answer.examples] == ["test1"]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_held_out_file_of_conversations_is_matched(form: str, tmp_path: Path):
    path = tmp_path / f"held.{form}"
    plain = [
        [{k: v for k, v in turn.items() if k != "extra"} for turn in one]
        for one in TEST["messages"].to_list()
    ]
    if form == "jsonl":
        path.write_text("\n".join(json.dumps({"messages": one}) for one in plain))
    else:
        TEST.select("messages").write_parquet(path)
    counts = by_kind(held_out_leaks(TRAIN.lazy(), open_held_out(path), name=path.name))
    assert (counts["prompt"], counts["answer"]) == (2, 1)


def test_a_held_out_file_of_neither_is_said(tmp_path: Path):
    (tmp_path / "held.jsonl").write_text('{"body": "a"}\n')
    with pytest.raises(SourceError, match="has no column 'text'"):
        open_held_out(tmp_path / "held.jsonl")
