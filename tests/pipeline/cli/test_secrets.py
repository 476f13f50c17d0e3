"""Values of environment variables are written nowhere, whichever key they stand in."""

from __future__ import annotations

import json

import polars as pl
import pytest

from siftset.schemas.recipe import environment

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


@pytest.mark.parametrize(
    ("value", "text", "hidden"),
    [
        (
            "k7",
            "post to https://hooks.example/k7/x failed",
            "post to https://hooks.example/${W}/x failed",
        ),
        ("4711", "http://h/a?token=4711&b=1", "http://h/a?token=${W}&b=1"),
        ("4711", "4711 rows at http://h/a", "4711 rows at http://h/a"),
        ("k7", "http://h/k77/ak7", "http://h/k77/ak7"),
        ("other-value", "http://me:hush@host/x", "http://***@host/x"),
        ("other-value", "s3://key:a%2Fb@bucket/x and more", "s3://***@bucket/x and more"),
        ("other-value", "http://host:80/a@b", "http://host:80/a@b"),
    ],
)
def test_a_short_value_is_hidden_as_a_part_of_an_address(value, text, hidden, monkeypatch):
    monkeypatch.setattr(environment, "_FILLED", {})
    monkeypatch.setattr(environment, "_SHORT", {})
    monkeypatch.setenv("W", value)
    environment.fill_variables({"name": "${W}"}, uses=None)
    assert environment.hide_values(text) == hidden


def test_addresses_with_a_password_are_written_nowhere(world, run):
    world.change(refresh={
        "notify": "http://me:hush-pass@127.0.0.1:1/x",
        "lineage": "http://me:hush-pass@127.0.0.1:1/y",
    })  # fmt: skip
    done = run("curate", world.path())
    assert done.exit_code == 0, done.stderr
    assert "hush-pass" not in done.stderr + done.stdout
    found = [path.name for path in written(world.folder / "out")
             if "hush-pass" in path.read_text("utf-8", errors="replace")]  # fmt: skip
    assert found == []
