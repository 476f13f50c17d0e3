from __future__ import annotations

import json
from pathlib import Path

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.profile.scalars import list_scalars, profile_names, row_names
from siftset.schemas.errors import RecipeError

RECIPE: dict[str, object] = {
    "name": "test",
    "output": "out",
    "source": {"files": {"paths": ["in.csv"]}},
    "signals": {"long": {"length": {"min": 3}}},
    "keep": "long",
}
LIMIT = {"warning": 0.5}


def write(folder: Path, **changes: object) -> Path:
    (folder / "in.csv").write_text("text,stars\n" + "".join(f"text {n},{n}\n" for n in range(40)))
    path = folder / "recipe.json"
    path.write_text(json.dumps({**RECIPE, **changes}))
    return path


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("kept_shar", {}, "no such metric (did you mean 'kept_share'?)"),
        ("missing_share_star", {}, "no such metric (did you mean 'missing_share_stars'?)"),
        ("drift_new_word", {}, "no such metric (did you mean 'drift_new_words'?)"),
        ("mojibake_share", {"analysis": "off"}, "not measured with  analysis: off"),
    ],
)
def test_what_is_never_measured_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, name, changes, message
):
    def read(*_: object) -> None:
        raise AssertionError("a row was read")

    monkeypatch.setattr("siftset.pipeline.sources.assemble.FileShard.read_batches", read)
    recipe = write(tmp_path, integrity={"thresholds": {name: LIMIT}}, **changes)
    with pytest.raises(RecipeError) as caught:
        curate(recipe)
    assert str(caught.value).startswith(f"integrity.thresholds.{name}: ")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_drift_is_limited_from_the_first_version_on(tmp_path):
    integrity = {"thresholds": {"drift_rows": LIMIT, "leaked_rows": LIMIT, "kept_share": LIMIT}}
    result = curate(write(tmp_path, integrity=integrity, split={"train": 1.0, "validation": 0.0}))
    metrics = read_metrics(result.report.with_name(METRICS))
    said = {check.name: (check.passed, check.message) for check in metrics.checks}
    assert said["drift_rows"] == said["leaked_rows"]
    assert said["drift_rows"][0]
    assert said["drift_rows"][1].startswith("(not measured")
    assert not said["kept_share"][0]


def test_every_measured_name_is_known_beforehand(tmp_path):
    curate(write(tmp_path))
    result = curate(write(tmp_path, keep="long & long", split={"train": 0.5, "validation": 0.5}))
    metrics = read_metrics(result.report.with_name(METRICS))
    names = set(list_scalars(metrics))
    assert names <= {*row_names(), *profile_names(["text", "stars"])}
    assert {"kept_rows", "missing_share_stars", "mojibake_share"} <= names
