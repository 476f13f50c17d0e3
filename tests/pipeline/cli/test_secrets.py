"""Values of environment variables are written nowhere, whichever key they stand in."""

from __future__ import annotations

import json

import polars as pl
import pytest

SECRETS = {
    "RECIPE_NAME": "hush-the-name",
    "SOURCE_NAME": "hush-the-source",
    "WORD": 'hush <the> "word" & more',
    "PREFIX": "hush-the-prefix",
    "HOOK": "http://127.0.0.1:1/hush-the-hook",
}


@pytest.fixture
def world(new_world, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    world = new_world(
        name="${RECIPE_NAME}",
        source={"files": {"name": "${SOURCE_NAME}", "paths": ["in/*.jsonl"]}},
        signals={"long": {"length": {"min": 5}}, "word": {"keyword": {"words": ["${WORD}"]}}},
        keep="long & ~word",
        prepare={"strip_prefix": "${PREFIX}"},
        refresh={"notify": "${HOOK}", "retrain_after": 1},
        train={"task": "mlm", "model": "minilm"},
    )
    world.texts("a", "the first text", "the second text")
    return world


def written(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]


def test_a_run_writes_no_value(world, run):
    done = run("curate", world.path())
    assert done.exit_code == 0, done.stderr
    assert run("curate", world.path()).exit_code == 0  # its own output, whatever it is called
    found = [
        (path.name, value)
        for path in written(world.folder / "out")
        for value in SECRETS.values()
        if "hush" in path.read_text("utf-8", errors="replace")
    ]
    assert found == []
    (manifest,) = (world.folder / "out/runs").glob("*/manifest.json")
    said = json.loads(manifest.read_text())
    assert said["recipe"]["name"] == "${RECIPE_NAME}"
    assert {one["source"] for one in said["inputs"]} == {"${SOURCE_NAME}"}
    assert pl.read_delta(str(world.folder / "out/set")).height == 2


def test_an_error_tells_no_value(world, run, monkeypatch):
    monkeypatch.setenv("PREFIX", "hush-the-prefix")
    files = {"name": "${SOURCE_NAME}", "paths": ["hush-folder/${PREFIX}.jsonl"]}
    world.change(source={"files": files})
    done = run("check", world.path(), "--json")
    assert done.exit_code == 2
    assert "hush-folder/${PREFIX}.jsonl" in done.stderr
    assert "hush-the" not in done.stderr + done.stdout


def test_short_values_and_numbers_stay(world, run, monkeypatch):
    monkeypatch.setenv("WORD", "text")
    monkeypatch.setenv("PREFIX", "20260101")
    assert run("curate", world.path()).exit_code == 0
    (metrics,) = (world.folder / "out/runs").glob("*/metrics.json")
    assert "${WORD}" not in metrics.read_text()
