"""Models of an output that lies in a store."""

from __future__ import annotations

import json
import os

import pytest

from siftset.pipeline.model_registry.registry import current_model, promote_model
from siftset.pipeline.refresh import refresh
from siftset.pipeline.remote_output.push import push_output
from siftset.pipeline.storage.object_store import find_objects
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import load_recipe


def finished(folder, name, *, hours):
    """Leave what a training leaves that ended some hours ago."""
    model = folder / "out/t/models" / name
    model.mkdir(parents=True)
    (model / "training.json").write_text("{}")
    (model / "model.safetensors").write_bytes(name.encode() * 2**20)
    (model / "checkpoint-1").mkdir()
    moment = (model / "training.json").stat().st_mtime - 3600 * hours
    os.utime(model / "training.json", (moment, moment))
    return model


def test_models_and_the_current_one_come_along(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    for name in ("v0-mlm-a", "v0-mlm-b"):
        model = finished(one.parent, name, hours=5)
        promote_model(model.parent, name, "better")
    (model.parent / "v0-mlm-c").mkdir()
    (model.parent / "v0-mlm-c/model.safetensors").write_text("not finished")
    push_output(load_recipe(one))
    assert world.store.cat_file(f"{world.bucket}/reviews/models/current") == b"v0-mlm-b"
    assert not any("v0-mlm-c" in name for name in machines.names("models"))
    two = machines("two")
    assert machines.run("history", two)["versions"][0]["models"] == ["v0-mlm-a", "v0-mlm-b"]
    models = two.parent / "out/t/models"
    assert current_model(models).name == "v0-mlm-b"
    assert (models / "v0-mlm-b/model.safetensors").stat().st_size > 2**20
    assert not (models / "v0-mlm-a/model.safetensors").exists()
    assert machines.run("rollback", two)["model"] == "v0-mlm-a"
    assert (models / "v0-mlm-a/model.safetensors").stat().st_size > 2**20
    machines.run("history", one)
    assert current_model(one.parent / "out/t/models").name == "v0-mlm-a"


def test_the_time_since_a_training_is_counted_from_its_object(machines):
    machines.world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    finished(one.parent, "v0-mlm-a", hours=0)
    push_output(load_recipe(one))
    (stored,) = (
        found for found in find_objects(f"{machines.address}/models")
        if found.name == "training.json"
    )  # fmt: skip
    machines.run("history", machines("two"))
    here = machines.world.folder / "two/out/t/models/v0-mlm-a/training.json"
    assert here.stat().st_mtime == pytest.approx(stored.written)


def test_a_model_trained_anew_replaces_the_one_in_the_store(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    model = finished(one.parent, "v0-mlm-a", hours=1)
    push_output(load_recipe(one))
    (model / "model.safetensors").write_bytes(b"weights." * 2**20)
    (model / "training.json").write_text('{"seed": 1}')
    push_output(load_recipe(one))
    where = f"{world.bucket}/reviews/models/v0-mlm-a"
    assert world.store.cat_file(f"{where}/model.safetensors") == b"weights." * 2**20
    assert world.store.cat_file(f"{where}/training.json") == b'{"seed": 1}'


def test_of_a_model_that_may_not_be_used_no_weights_are_sent(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    model = finished(one.parent, "v0-mlm-a", hours=1)
    forgot = {"name": "forgetting", "level": "critical", "message": "it forgot", "value": 0.5}
    (model / "training.json").write_text(json.dumps({"findings": [forgot]}))
    push_output(load_recipe(one))
    assert machines.names("models") == {"models/v0-mlm-a/training.json"}
    two = machines("two")  # knows of the training, and does not make it again
    assert machines.run("history", two)["versions"][0]["models"] == ["v0-mlm-a"]


def test_a_model_is_sent_although_the_set_went_on_meanwhile(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    model = finished(one.parent, "v0-mlm-a", hours=0)
    promote_model(model.parent, model.name, "the first model")
    world.lines("in/b.jsonl", "the second text")
    refresh(machines("two"))
    push_output(load_recipe(one))
    assert "models/v0-mlm-a/model.safetensors" in machines.names("models")
    assert machines.set().height == 2
    assert not refresh(machines("three")).new
    assert current_model(world.folder / "three/out/t/models").name == "v0-mlm-a"
    world.lines("in/c.jsonl", "the third text")
    assert refresh(machines("four")).rows.read == 1


def test_of_two_promotions_at_once_the_first_holds(machines):
    machines.world.lines("in/a.jsonl", "the first text")
    recipes = [machines(name) for name in ("one", "two")]
    for recipe, name in zip(recipes, ("v0-mlm-a", "v0-mlm-b"), strict=True):
        refresh(recipe)
        promote_model(finished(recipe.parent, name, hours=0).parent, name, "the first model")
    push_output(load_recipe(recipes[0]))
    with pytest.raises(OutputError, match="current is v0-mlm-a, which another machine promoted"):
        push_output(load_recipe(recipes[1]))
    assert {"models/v0-mlm-b/training.json"} < machines.names("models")
    assert current_model(recipes[1].parent / "out/t/models").name == "v0-mlm-a"
    push_output(load_recipe(recipes[1]))
    assert machines.run("history", machines("three"))["versions"][0]["models"] == [
        "v0-mlm-a", "v0-mlm-b",
    ]  # fmt: skip
