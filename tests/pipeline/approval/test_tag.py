"""Names of versions: where they are taken, what they keep, and which are none."""

from __future__ import annotations

import json

import pytest

from siftset.pipeline.approval.resolve_version import resolve_version
from siftset.pipeline.approval.tag import tag
from siftset.pipeline.model_registry.inputs import training_data
from siftset.pipeline.refresh import refresh
from siftset.pipeline.storage.run_folder import RunFolder
from siftset.pipeline.storage.table import Store
from siftset.pipeline.storage.tags import read_tags
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import load_recipe


@pytest.fixture
def world(new_world):
    made = new_world()
    made.texts("a", "the first good text")
    made.refresh()
    return made


def test_a_tag_is_a_version_wherever_one_is_asked_for_and_retention_keeps_it(world, run, told):
    recipe, store = world.path(), Store(world.folder / "out")
    done = told("tag", recipe, "gold")
    assert (done["tag"], done["version"]) == ("gold", 0)
    world.change(refresh={"keep_versions": 1})
    for number in range(3):
        world.texts(f"b{number}", f"a good text, number {number}")
        refresh(world.path())
    kept = {path.name for path in (world.folder / "out/versions").iterdir()}
    assert kept == {"0", "3"}
    out = world.folder / "gold.parquet"
    assert told("export", recipe, "--out", out, "--version", "gold")["rows"] == 1
    assert told("history", recipe)["versions"][-1]["tags"] == ["gold"]
    assert "[gold]" in run("history", recipe).stdout
    assert training_data(load_recipe(recipe), store, 0).lineage.tags == ("gold",)
    manifest = RunFolder(store.output, store.commit_of(0).run_id).manifest()
    assert manifest["tags"] == ["gold"]
    assert tag(recipe, "gold", 3) == 3
    assert resolve_version(store, "gold") == 3
    assert RunFolder(store.output, store.commit_of(0).run_id).manifest()["tags"] == []
    assert tag(recipe, "gold", delete=True) == 3
    assert read_tags(store.output) == {}


@pytest.mark.parametrize("name", ["3", "2026-05-31", "20260531", "plan", "a/b", "", "-x", "a" * 65])
def test_a_name_that_could_be_something_else_is_refused(world, name):
    with pytest.raises(OutputError, match="expected a letter, then letters"):
        tag(world.path(), name)


def test_what_is_not_there_is_said_with_what_is(world):
    tag(world.path(), "gold")
    with pytest.raises(OutputError, match="has no tag 'silver', expected one of: gold"):
        tag(world.path(), "silver", delete=True)
    with pytest.raises(OutputError, match=r"or a tag \(gold\)"):
        resolve_version(Store(world.folder / "out"), "silver")
    with pytest.raises(OutputError, match="has no version 7"):
        tag(world.path(), "silver", 7)
    (world.folder / "out/tags.json").write_text(json.dumps({"gold": "three"}))
    with pytest.raises(OutputError, match=r"tags\.json cannot be read"):
        tag(world.path(), "silver")
