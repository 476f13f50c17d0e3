"""The key of a run: the same for what means the same, another for what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siftset.pipeline.gate.prepare import prepare_gate
from siftset.pipeline.run.job import load_job
from siftset.schemas.recipe.loading import load_recipe

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


METRIC = "def share(kept):\n    return helper.LIMIT\n"


@pytest.mark.parametrize("changed", ["nothing", "held_out", "reference", "metric", "helper"])
def test_what_the_gate_reads_is_in_the_key(changed: str, tmp_path: Path) -> None:
    files = {
        "held_out.txt": "kept apart\n",
        "reference.txt": "as before\n",
        "metric.py": "import helper\n" + METRIC,
        "helper.py": "LIMIT = 1\n",
        "in.jsonl": json.dumps({"text": "good"}) + "\n",
        "recipe.yaml": "name: n\noutput: out\nsource: {files: {paths: [in.jsonl]}}\n"
        "keep: length(min=1)\nintegrity: {held_out: held_out.txt, reference: reference.txt, "
        "metrics: {share: 'metric.py:share'}}\n",
    }
    keys = []
    for again in (False, True):
        for name, text in files.items():
            spoilt = again and name.startswith(changed)
            (tmp_path / name).write_text(text.replace("1", "2") if spoilt and ".py" in name else
                                         text + "more\n" if spoilt else text, "utf-8")  # fmt: skip
        if changed == "metric" and again:
            (tmp_path / "metric.py").write_text(
                "import helper\n" + METRIC.replace("LIMIT", "LIMIT + 1"), "utf-8"
            )
        keys.append(load_job(tmp_path / "recipe.yaml").key)
    assert (keys[0] == keys[1]) is (changed == "nothing")


EXISTS = {"type": "expect_column_to_exist", "kwargs": {"column": "text"}}
SUITE = {"name": "s", "python": ["kinds.py"], "expectations": [EXISTS]}
SUITE_FILES = {
    "suite.json": json.dumps(SUITE),
    "kinds.py": "import helper\nfrom parts import inner\nLIMIT = 1\n",
    "helper.py": "LIMIT = 1\n",
    "parts/inner.py": "LIMIT = 1\n",
    "beside.py": "LIMIT = 1\n",
}


@pytest.mark.parametrize("changed", SUITE_FILES)
def test_a_suite_is_known_by_its_text_its_code_and_what_that_imports(changed, tmp_path) -> None:
    pytest.importorskip("great_expectations")
    (tmp_path / "recipe.yaml").write_text(
        "name: n\noutput: out\nsource: {files: {paths: [in.jsonl]}}\nkeep: length(min=1)\n"
        "integrity: {suite: suite.json}\n"
    )
    keys = []
    for again in (False, True):
        for name, text in SUITE_FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            spoilt = text.replace("LIMIT = 1", "LIMIT = 2").replace("text", "label")
            (tmp_path / name).write_text(spoilt if again and name == changed else text, "utf-8")
        keys.append(prepare_gate(load_recipe(tmp_path / "recipe.yaml")))
    assert (keys[0] == keys[1]) is (changed == "beside.py")
