"""The same text under different labels: counted, told, and refused where a threshold says so."""

from __future__ import annotations

import json

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.scalars import list_scalars
from siftset.schemas.errors import GateFailed
from siftset.schemas.results.metrics import RunMetrics

ROWS = [
    ("good words", 1), ("good  words", "1.0"), ("good words", 0), ("other words", "no"),
    ("other words", "NO"), ("third words", None), ("third words", "yes"), ("single words", "yes"),
]  # fmt: skip


def measured(result) -> RunMetrics:
    return RunMetrics.model_validate_json((result.report.parent / "metrics.json").read_bytes())


@pytest.fixture
def world(new_world):
    made = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "label": "mark"}}, keep="long", analysis="sample"
    )
    made.write("a", [{"text": text, "mark": mark} for text, mark in ROWS])
    return made


def test_texts_under_several_labels_are_counted(world):
    """1 and 1.0 are one label; "no" and "NO" are two; a row without a label says nothing."""
    metrics = measured(curate(world.path()))
    assert metrics.duplicates is not None
    assert (metrics.duplicates.exact, metrics.duplicates.relabelled) == (4, 2)
    scalars = list_scalars(metrics)
    assert (scalars["relabelled_rows"], float(scalars["relabelled_share"])) == (2, 0.25)


def test_a_threshold_refuses_them(world):
    page = curate(world.path()).report.read_text()
    assert "2 rows repeat the text of another row under another label" in page
    limits = {"thresholds": {"relabelled_rows": {"critical": 1}}}
    world.change(integrity={**world.recipe["integrity"], **limits})
    with pytest.raises(GateFailed, match="relabelled_rows is 2, critical above 1"):
        curate(world.path())


@pytest.mark.parametrize(
    ("exact", "rule", "kept", "figure", "taken_out"),
    [
        (True, None, ["1", "no", "None", "yes"], 2, None),
        (False, None, ["1", "1", "0", "no", "NO", "None", "yes", "yes"], 2, None),
        (True, "first", ["1", "no", "None", "yes"], 2, 2),
        (False, "first", ["1", "1", "no", "None", "yes", "yes"], 2, 2),
        (True, "drop", ["None", "yes"], 5, 5),
        (False, "drop", ["None", "yes", "yes"], 5, 5),
    ],
)
def test_a_rule_says_what_becomes_of_them(world, exact, rule, kept, figure, taken_out):
    world.change(dedupe={"exact": exact, "relabelled": rule} if rule else {"exact": exact})
    full = curate(world.path())
    labels = [label.removesuffix(".0") for label in map(str, set_in_order(world)["label"])]
    assert sorted(labels) == sorted(kept)
    metrics = measured(full)
    assert metrics.duplicates is not None
    assert (metrics.duplicates.relabelled, metrics.duplicates.labels) == (figure, taken_out)
    full.rows.check()


@pytest.mark.parametrize("exact", [True, False])
def test_a_rule_that_blocks_publishes_nothing(world, exact):
    world.change(dedupe={"exact": exact, "relabelled": "block"})
    with pytest.raises(GateFailed, match="relabelled_rows is 2, critical above 0"):
        curate(world.path())


@pytest.mark.parametrize("rule", ["first", "drop"])
def test_a_refresh_decides_as_a_full_run_does(world, rule):
    """The second file disputes a text that is published, and brings one that disputes itself."""
    world.change(dedupe={"exact": False, "relabelled": rule})
    world.refresh()
    world.write("b", [{"text": "single words", "mark": "no"}, {"text": "fifth words", "mark": 1}])
    world.refresh()
    assert world.set().equals(world.full())
    assert ("single words" in world.set()["text"]) is (rule == "first")


def set_in_order(world):
    return pl.read_delta(str(world.folder / "out" / "set"))


def test_without_labels_there_is_no_figure(new_world):
    world = new_world(analysis="sample")
    world.texts("a", "the first text", "the first text")
    metrics = measured(curate(world.path()))
    assert metrics.duplicates is not None
    assert metrics.duplicates.relabelled is None
    assert "relabelled_rows" not in json.dumps(sorted(list_scalars(metrics)))
