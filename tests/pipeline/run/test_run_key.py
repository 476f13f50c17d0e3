"""The key of a run: the same for what means the same, another for what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siftset.pipeline.run.job import load_job

MINE = (
    "from siftset import signal\n@signal(resources={'words': 'words.txt'})\n"
    "def l(text: str, *, words: list[str], least: int = 2) -> bool:\n"
    "    return len(text) > least and text not in words\n"
)


def key_of(folder: Path, keep: str, s: dict, least: dict, ending: str = "\n") -> str:
    (folder / "mine.py").write_text(MINE, "utf-8")
    (folder / "words.txt").write_bytes(f"one{ending}two{ending}".encode())
    (folder / "in.jsonl").write_text(json.dumps({"text": "good"}) + "\n", "utf-8")
    signals = {"s": s, "l": {"python": "mine.py:l", **least}}
    document = {"name": "n", "output": "out", "keep": keep, "signals": signals,
                "source": {"files": {"paths": ["in.jsonl"]}}}  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(document), "utf-8")
    return load_job(folder / "recipe.json").key


WORDS = {"keyword": {"words": ["good", "bad"]}}


@pytest.mark.parametrize(
    ("keep", "s", "least", "ending", "same"),
    [
        ("l & s", WORDS, {}, "\n", True),
        ("(s) & l & s", WORDS, {}, "\n", True),
        ("s & l", {"keyword": {"words": ["bad", "good"]}}, {}, "\n", True),
        ("s & l", {"keyword": {"words": ["good", "bad"], "case": False}}, {}, "\n", True),
        ("s & l", WORDS, {"parameters": {"least": 2}}, "\n", True),
        ("s & l", WORDS, {}, "\r\n", True),
        ("s | l", WORDS, {}, "\n", False),
        ("s & ~l", WORDS, {}, "\n", False),
        ("s & l", {"keyword": {"words": ["bad"]}}, {}, "\n", False),
        ("s & l", {"keyword": {"words": ["good", "bad"], "case": True}}, {}, "\n", False),
        ("s & l", WORDS, {"parameters": {"least": 3}}, "\n", False),
        ("s & l", WORDS, {}, "\nthree\n", False),
    ],
)
def test_the_key_follows_the_meaning(keep, s, least, ending, same, tmp_path: Path) -> None:
    assert (
        key_of(tmp_path, keep, s, least, ending) == key_of(tmp_path, "s & l", WORDS, {})
    ) is same
