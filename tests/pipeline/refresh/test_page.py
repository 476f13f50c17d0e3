"""docs/refresh.md is true: the walk-through runs, and its examples are what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.refresh import Refresh

PAGE = (Path(__file__).parents[3] / "docs/refresh.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


def read(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.slow
def test_the_walk_through(tmp_path, monkeypatch, tiny_encoder):
    monkeypatch.chdir(tmp_path)
    recipe = blocks("yaml")[0]
    (tmp_path / "reviews.yaml").write_text(
        recipe.replace("model: minilm", f"model: {tiny_encoder}")
    )
    (tmp_path / "inbox").mkdir()
    day(tmp_path / "inbox/2026-06-01.jsonl", 600)
    said = []
    commands = re.findall(r"^(siftset|cp) (.*?)(?:\s+#.*)?$", blocks("console")[0], re.MULTILINE)
    for program, rest in commands:
        if program == "cp":
            day(tmp_path / "inbox/2026-06-02.jsonl", 1_200)
            continue
        arguments = rest.replace("--version 2026-05-31", "--version 2100-01-01").split()
        options = () if "history" in rest else ("--set", "split={train: 0.8, validation: 0.2}")
        done = CliRunner().invoke(app, [*arguments, *options, "--json"])
        assert done.exit_code == 0, done.output
        said.append(json.loads(done.stdout))
    first, second, third, history, _ = said
    assert (first["new"], second["new"], third["new"]) == (True, True, False)
    assert (first["set_rows"], second["rows"]["read"]) == (600, 1_200)
    assert first["model"]["due"] is False
    assert second["model"]["promoted"] is True
    assert history["versions"][0]["models"]
    assert (tmp_path / "may.jsonl").is_file()


def day(path, rows):
    lines = ({"text": f"{path.stem} the soft shoe number {n}", "stars": n % 5} for n in range(rows))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_its_settings_are_known():
    names = set()
    for text in blocks("yaml"):
        names |= set((read(text).get("refresh") or {}) if "CronJob" not in text else ())
    assert names == set(Refresh.model_fields)


def test_its_recipes_are_valid():
    rest = {"name": "x", "output": "out", "keep": "a"}
    for text in blocks("yaml"):
        if "source:" in text:
            Recipe.model_validate({**rest, **read(text)})


def test_its_python_compiles():
    assert len(blocks("python")) == 3
    for text in blocks("python"):
        compile(text, "refresh.md", "exec")


def test_the_job_of_a_cluster_runs_the_command():
    (job,) = [read(text) for text in blocks("yaml") if "CronJob" in text]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"][:2] == ["siftset", "refresh"]
