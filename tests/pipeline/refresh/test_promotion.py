"""The model after the set: when training is due, and what a model must be to become current."""

from __future__ import annotations

import json
import os

import polars as pl
import pytest

from siftset.pipeline.commands.train import train_recipe
from siftset.pipeline.model_registry.inputs import model_id, train_section, training_data
from siftset.pipeline.model_registry.new_rows import count_changes, weight_new_rows
from siftset.pipeline.model_registry.registry import (
    MODELS,
    current_model,
    latest_model,
    promote_model,
    roll_back_model,
)
from siftset.pipeline.refresh import refresh
from siftset.pipeline.refresh.metric_drop import describe_drop, find_metric_drop
from siftset.pipeline.refresh.promotion import (
    TrainingDue,
    decide_training,
    find_pending,
    judge_promotion,
    renew_model,
)
from siftset.pipeline.remote_output.retention import remove_old_versions
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.loading import load_recipe
from siftset.schemas.recipe.refresh import Refresh
from siftset.schemas.results.comparison import (
    Change,
    Comparison,
    Forgetting,
    Golden,
    ModelInfo,
    Questions,
)


@pytest.fixture
def world(new_world):
    """A world with ten rows in version 0."""
    world = new_world()
    world.texts("a", *(f"text number {n}" for n in range(10)))
    world.refresh()
    return world


def store_of(world):
    return Store(world.folder / "out")


def trained(world, version, *, hours=0.0):
    """Leave behind what a training leaves that ended some hours ago."""
    folder = world.folder / f"out/models/v{version}-mlm-0000000{version}"
    folder.mkdir(parents=True)
    (folder / "training.json").write_text("{}")
    moment = (folder / "training.json").stat().st_mtime - 3600 * hours
    os.utime(folder / "training.json", (moment, moment))
    return folder


def test_new_rows_make_training_due(world):
    store = store_of(world)
    assert decide_training(Refresh(retrain_after=10), store).is_due
    assert not decide_training(Refresh(retrain_after=11), store).is_due
    trained(world, 0)
    world.texts("b", "text number 1", "text number 20", "text number 21", "hi")
    world.refresh()
    assert str(count_changes(store, 0, 1)) == "2 new rows"
    found = decide_training(Refresh(retrain_after=2), store)
    assert (found.is_due, found.version) == (True, 1)
    assert "2 new rows" in decide_training(Refresh(retrain_after=3), store).why


@pytest.mark.parametrize("how", ["upsert", "join"])
def test_corrected_labels_and_rows_that_left_make_training_due(new_world, how):
    files = {"paths": ["in/*.jsonl"], "id": "n", "label": "label"}
    world = new_world(
        source={"files": {**files, "join": {"path": "truth.csv"}} if how == "join" else files},
        refresh={"merge": "upsert", "removed": "delete"},
        split={"train": 1.0, "validation": 0.0},
    )
    (world.folder / "truth.csv").write_text("n,label\n99,right\n")
    rows = [{"n": n, "text": f"text number {n}", "label": "guess"} for n in range(10)]
    world.write("a", rows)
    world.write("b", [{"n": 10, "text": "text number 10", "label": "guess"}])
    world.refresh()
    trained(world, 0)
    if how == "join":
        (world.folder / "truth.csv").write_text("n,label\n1,right\n2,right\n3,right\n")
    else:
        world.write("c", [{**row, "label": "right"} for row in rows[1:4]])
    world.remove("b")
    world.refresh()
    store = store_of(world)
    assert str(count_changes(store, 0, 1)) == "0 new rows, 3 changed, 1 removed"
    found = decide_training(Refresh(retrain_after=4), store)
    assert (found.is_due, found.why[:33]) == (True, "0 new rows, 3 changed, 1 removed,")
    data = training_data(load_recipe(world.path()), store, None)
    weighted = weight_new_rows(data, store, weight=2, progress=Said())
    more = pl.read_parquet(weighted.files["train"][-1])
    assert sorted(more["id"]) == [1, 2, 3]


@pytest.fixture
def pending(world):
    """A world with two versions, in which a training on the first one was cut off."""
    world.change(train={"task": "mlm", "model": "minilm"}, refresh={"retrain_after": 1})
    (world.folder / "out/models").mkdir(parents=True)
    write_pending(world, 0)
    world.texts("b", "text number 20")
    world.refresh()
    return world


def write_pending(world, version):
    said = {"version": version, "why": "drift"}
    (world.folder / "out/models/pending.json").write_text(json.dumps(said))


def found_pending(world):
    return find_pending(load_recipe(world.path()), store_of(world))


def test_a_newer_version_takes_the_place_of_one_that_waits(pending):
    assert found_pending(pending) == TrainingDue(True, "drift", 1)
    write_pending(pending, 77)  # a version that is no more
    assert found_pending(pending) == TrainingDue(True, "drift", 1)


def test_a_training_that_is_done_and_not_judged_is_judged(pending):
    store, loaded = store_of(pending), load_recipe(pending.path())
    name = model_id(train_section(loaded), store.commit_of(0), loaded.recipe.seed)
    trained(pending, 0).rename(pending.folder / "out/models" / name)
    assert found_pending(pending) == TrainingDue(True, "drift", 0)


def test_a_training_by_hand_settles_what_waits(pending):
    trained(pending, 0, hours=1)
    assert found_pending(pending) == TrainingDue(True, "drift", 1)
    trained(pending, 1, hours=-0.01)
    assert found_pending(pending) is None
    assert not (pending.folder / "out/models/pending.json").exists()


def test_what_waits_and_cannot_be_read_is_decided_anew(pending):
    (pending.folder / "out/models/pending.json").write_text('{"version": ')
    assert found_pending(pending) is None


def test_retention_holds_the_version_that_waits(pending):
    pending.texts("c", "text number 30")
    pending.refresh()
    assert remove_old_versions(store_of(pending), 1) == [1]
    assert store_of(pending).scan(0).collect().height == 10


@pytest.mark.parametrize("stray", ["v0-notes", "v9-mlm-00000009", "current.bak"])
def test_a_stray_folder_is_no_model(world, stray):
    (world.folder / "out/models" / stray).mkdir(parents=True)
    if stray.startswith("v9"):
        (world.folder / "out/models" / stray / "training.json").write_text("{}")
    found = decide_training(Refresh(retrain_after=10), store_of(world))
    assert (found.is_due, found.why) == (True, "10 new rows, 10 make it due")


def test_a_clock_that_was_set_back_holds_nothing_back(world):
    world.texts("b", "text number 20")
    trained(world, 0, hours=-30)
    world.refresh()
    assert decide_training(Refresh(retrain_after=1, cooldown_hours=5), store_of(world)).is_due


def test_a_drop_is_asked_for_until_it_is_known(world, monkeypatch):
    model, folder = trained(world, 0), world.folder / "out/models/.judging"
    folder.mkdir()
    then, now = (comparison(9.0, after, "better") for after in (1.0, 2.0))
    (model / "compare.json").write_text(then.model_dump_json())
    world.change(refresh={"retrain_on_drop": 0.1})
    asked, answers = [], [KeyboardInterrupt(), (now, model)]

    def ask(*_):
        asked.append(1)
        answer = answers[len(asked) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr("siftset.pipeline.refresh.metric_drop.write_comparison", ask)
    known = (load_recipe(world.path()), store_of(world), model, folder, Silent())
    with pytest.raises(KeyboardInterrupt):
        find_metric_drop(*known)
    told = find_metric_drop(*known)
    assert told.startswith("loss of the current model 1 when trained, 2 now")
    assert (find_metric_drop(*known), len(asked)) == (told, 2)


WAITS = [
    (Refresh(retrain_after=1, retrain_minimum=11), 99.0, "fewer than 11"),
    (Refresh(retrain_after=1, cooldown_hours=5), 1.0, "1.0 hours ago, expected 5"),
]


@pytest.mark.parametrize(("refresh", "hours", "why"), WAITS)
def test_a_minimum_and_a_cooldown_hold_it_back(world, refresh, hours, why):
    world.texts("b", "bad")
    trained(world, 0, hours=hours)
    found = decide_training(refresh, store_of(world))
    assert not found.is_due
    assert why in found.why


def test_drift_makes_training_due(new_world):
    world = new_world(analysis="sample", dedupe={"exact": False})
    world.texts("a", *["text of a number"] * 150)
    world.refresh()
    trained(world, 0)
    store, asked = store_of(world), Refresh(retrain_on_drift=True)
    world.texts("b", *["number of a text"] * 150)
    world.refresh()
    first = decide_training(asked, store)
    strange = ("quite other words of a much greater length than any before", "it is strange")
    world.texts("c", *(f"{text} {n} " * 9 for n in range(100) for text in strange))
    world.refresh()
    found = decide_training(asked, store)
    assert (first.is_due, found.is_due) == (False, True)
    assert found.why.startswith("drift of ")


def comparison(before, after, verdict, *, golden=None, forgets=False):
    info = ModelInfo(name="x")
    change = Change(name="loss", before=before, after=after, difference=None, n=9, verdict=verdict)
    other = change.model_copy(update={"verdict": golden})
    return Comparison(
        task="mlm", before=info, after=info, before_kind="previous model",
        questions=Questions(hash="x", seed=0), metrics={},
        changes=(change,), golden=Golden(source="g", n=9, changes=(other,)) if golden else None,
        forgetting=Forgetting(verdict="fail", increase=0.5, limit=0.1) if forgets else None,
    )  # fmt: skip


DROPS = [
    # the metric when trained and now, the share that is too far, whether that is said
    (2.0, 2.2, 0.05, True),
    (2.0, 2.05, 0.05, False),
    (2.0, 1.0, 0.05, False),
    (2.0, None, 0.05, False),
]


@pytest.mark.parametrize(("was", "now", "limit", "said"), DROPS)
def test_a_metric_that_drops_too_far_is_said(was, now, limit, said):
    pair = comparison(9.0, was, "better"), comparison(9.0, now, "better")
    assert bool(describe_drop(*pair, None, limit)) is said
    assert not describe_drop(*pair, "speed", limit)
    better = [one.changes[0].model_copy(update={"higher_is_better": True}) for one in pair]
    turned = [c.model_copy(update={"changes": (b,)}) for c, b in zip(pair, better, strict=True)]
    assert bool(describe_drop(*turned, None, limit)) is (now == 1.0)


GATES = [
    (comparison(2.0, 1.0, "better"), {}, True, "better: loss 2 before, 1 after"),
    (comparison(2.0, 2.0, "no difference shown"), {}, True, "held-out rows"),
    (comparison(2.0, 2.0, "no difference shown"), {"promote": "better"}, False, "no difference"),
    (comparison(1.0, 2.0, "worse"), {}, False, "worse: loss 1 before, 2 after"),
    (comparison(1.0, 2.0, "not judged"), {}, False, "not judged"),
    (comparison(2.0, 1.0, "better", golden="worse"), {}, False, "the golden set"),
    (comparison(2.0, 1.0, "better", forgets=True), {}, False, "perplexity +50.0%, at most +10.0%"),
    (comparison(None, 1.0, "better"), {}, False, "cannot be compared"),
    (comparison(2.0, 1.0, "better"), {"promote_metric": "speed"}, False, "known are loss"),
]


@pytest.mark.parametrize(("found", "refresh", "passes", "why"), GATES)
def test_the_gate_of_a_promotion(found, refresh, passes, why):
    passed, told = judge_promotion(found, Refresh(**refresh))
    assert passed is passes
    assert why in told


def test_the_current_model_changes_at_once_and_back(tmp_path):
    for name in ("v0-mlm-a", "v1-mlm-b"):
        (tmp_path / name).mkdir()
    assert current_model(tmp_path) is None
    with pytest.raises(OutputError, match="no model before"):
        roll_back_model(tmp_path)
    promote_model(tmp_path, "v0-mlm-a", "the first model")
    promote_model(tmp_path, "v1-mlm-b", "better")
    assert current_model(tmp_path) == (tmp_path / "v1-mlm-b").resolve()
    assert roll_back_model(tmp_path) == "v0-mlm-a"
    assert current_model(tmp_path) == (tmp_path / "v0-mlm-a").resolve()
    with pytest.raises(OutputError, match="no model before"):
        roll_back_model(tmp_path)
    log = json.loads((tmp_path / "promotions.json").read_text())["promotions"]
    assert [(one["model"], one["replaced"]) for one in log] == [
        ("v0-mlm-a", None), ("v1-mlm-b", "v0-mlm-a"),
    ]  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "current", "promotions.json", "v0-mlm-a", "v1-mlm-b",
    ]  # fmt: skip


def test_the_link_is_no_model_of_its_own(world):
    folder = trained(world, 0)
    promote_model(world.folder / "out/models", folder.name, "the first model")
    assert latest_model(world.folder / "out/models") == folder


def test_new_rows_count_more(world):
    world.texts("b", *(f"another text {n}" for n in range(8)), "text number 1")
    world.refresh()
    store, said = store_of(world), Said()
    data = training_data(load_recipe(world.path()), store, None)
    assert weight_new_rows(data, store, weight=3, progress=said) is data
    trained(world, 0)
    trained(world, 1)
    assert weight_new_rows(data, store, weight=1, progress=said) is data
    found = weight_new_rows(data, store, weight=3, progress=said)
    texts = pl.concat([pl.read_parquet(path)["text"] for path in found.files["train"]])
    once = pl.concat([pl.read_parquet(path)["text"] for path in data.files["train"]]).to_list()
    wanted = [text for text in once for _ in range(3 if text.startswith("another") else 1)]
    assert sorted(texts) == sorted(wanted)
    assert any(text.startswith("another") for text in once)
    assert found.files.get("validation") == data.files.get("validation")
    assert "are new or changed since version 0: each 3 times" in said.lines[0]


class Said(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.mark.slow
def test_a_drop_makes_training_due(new_world, tiny_encoder):
    world = new_world(
        split={"train": 0.6, "validation": 0.4},
        train={"task": "mlm", "model": str(tiny_encoder), "epochs": 6, "max_length": 16,
               "learning_rate": 0.01, "line_by_line": True},
        compare={"positive": None, "negative": None, "resamples": 20},
        refresh={"retrain_after": 1},
    )  # fmt: skip
    world.texts("a", *(f"the soft shoe is good and {n}" for n in range(60)))
    refresh(world.path())
    world.change(refresh={"retrain_on_drop": 0.2})
    world.texts("b", "the soft shoe is good and 99")
    assert refresh(world.path()).model["due"] is False
    world.texts("c", *(f"strong bag hat {n} or warm more a great light" for n in range(200)))
    assert refresh(world.path(), options=CurateOptions(dry_run=True)).model is None
    found = refresh(world.path()).model
    assert found["due"] is True
    assert "loss of the current model" in found["why"]
    assert refresh(world.path()).model["due"] is False


@pytest.mark.slow
def test_a_model_learns_from_new_rows_more_often(new_world, tiny_encoder):
    train = {"task": "mlm", "model": str(tiny_encoder), "epochs": 1, "max_length": 16,
             "line_by_line": True, "batch_size": 1}  # fmt: skip
    compare = {"positive": None, "negative": None, "resamples": 20}
    world = new_world(split={"train": 0.6, "validation": 0.4}, train=train, compare=compare)
    world.texts("a", *(f"the soft shoe is good {n}" for n in range(20)))
    refresh(world.path(), overrides=["refresh.retrain_after=1"])
    world.texts("b", *(f"the light bag is strong {n}" for n in range(20)))
    world.refresh()
    once = train_recipe(world.path())
    thrice = train_recipe(world.path(), overrides=["train.new_rows_weight=3"])
    new = store_of(world).scan().filter(pl.col("text").str.contains("light"), split="train")
    assert thrice.model != once.model
    assert thrice.steps == once.steps + 2 * new.collect().height


def test_nobody_asked_for_training(world):
    assert renew_model(load_recipe(world.path()), store_of(world), Silent()) is None
    assert refresh(world.path()).model is None


@pytest.mark.slow
def test_a_model_is_trained_compared_and_promoted_or_kept(new_world, tiny_encoder):
    world = new_world(
        split={"train": 0.7, "validation": 0.3},
        train={"task": "mlm", "model": str(tiny_encoder), "epochs": 1, "max_length": 32},
        compare={"positive": None, "negative": None, "resamples": 50},
        refresh={"retrain_after": 30},
    )
    words = ("the soft shoe is good", "a warm hat was great", "the light bag is strong")
    world.texts("a", *(f"{words[n % 3]} and {n} more" for n in range(40)))
    first = refresh(world.path())
    models = world.folder / "out" / MODELS
    assert first.model["promoted"] is True
    assert first.model["because"] == "the first model"
    one = current_model(models)
    again = refresh(world.path())
    assert (again.new, again.model["due"]) == (False, False)
    world.texts("b", *(f"{words[n % 3]} or {n} others" for n in range(40)))
    second = refresh(world.path())
    assert second.model["due"] is True
    now = current_model(models)
    assert (now != one) is second.model["promoted"]
    world.change(refresh={"retrain_after": 30, "promote": "better", "promote_metric": "nothing"})
    world.texts("c", *(f"{words[n % 3]} but {n} again" for n in range(40)))
    third = refresh(world.path())
    assert third.model["promoted"] is False
    assert "'nothing' cannot be compared" in third.model["because"]
    assert current_model(models) == now
    assert not (models / "pending.json").exists()
