"""A plan is laid, looked at and applied: the rows of curate and refresh, without reading again."""

from __future__ import annotations

import json
import shutil
import threading

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import plans, refresh, refresh_set
from siftset.pipeline.refresh.plans import apply, list_plans, plan
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.run_folder import RunFolder
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import GateFailed, Locked, OutputError

TEXTS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["good", "bad", "so"])),
    min_size=1,
    max_size=9,
)
FILES = st.dictionaries(st.sampled_from(["m", "a", "z"]), TEXTS, min_size=1)


def _rows(output):
    """Everything of the set but the run that stored each row."""
    rows = pl.read_delta(str(output / "set")).drop("run_id").sort("row_id", "source")
    return rows.select(sorted(rows.columns))


def _write(world, files):
    for path in (world.folder / "in").iterdir():
        path.unlink()
    for name, texts in files.items():
        world.texts(name, *(f"{kind} words of {text}" for text, kind in texts))


@pytest.fixture
def world(new_world):
    made = new_world()
    made.texts("a", "good one here", "bad one here", "another good one")
    return made


def test_apply_publishes_what_curate_and_refresh_would(new_world, few_or_all):
    @settings(max_examples=few_or_all(3, 40), phases=[Phase.generate])
    @given(days=st.lists(FILES, min_size=2, max_size=3), reads_all=st.booleans())
    def holds(days, reads_all):
        world = new_world(refresh={"removed": "delete"})
        for day in days:
            _write(world, day)
            shutil.rmtree(world.folder / "straight", ignore_errors=True)
            if (world.folder / "out").exists():
                shutil.copytree(world.folder / "out", world.folder / "straight")
            there = [f"output={world.folder / 'straight'}"]
            straight = (curate if reads_all else refresh_set)(world.path(), overrides=there)
            laid = plan(world.path(), refresh=not reads_all)
            assert (laid.plan is None) == (not straight.new)
            if laid.plan is None:
                continue
            done = apply(world.path(), laid.plan.plan_id, by="ana")
            assert (done.version, done.rows, done.splits) == (
                straight.version, straight.rows, straight.splits,
            )  # fmt: skip
            assert _rows(world.folder / "out").equals(_rows(world.folder / "straight"))
            assert not refresh_set(world.path()).new

    holds()


def test_a_plan_is_laid_whole_and_applied_without_the_source(world):
    (world.folder / "out/plans/cut off/set").mkdir(parents=True)
    (world.folder / "out/.lock").touch()
    laid = plan(world.path(), options=CurateOptions(by="bo"))
    folder = world.folder / "out/plans" / laid.plan.plan_id
    names = {path.name for path in folder.iterdir()}
    assert names >= {"plan.json", "diff.html", "diff.json", "report.html", "set", "rejected"}
    said = json.loads((folder / "plan.json").read_text())
    assert (said["by"], said["base_version"], said["verdict"]) == ("bo", None, "pass")
    assert said["changes"] == {
        "added": 2, "removed": 0, "changed": 0, "relabelled": 0, "moved": 0
    }  # fmt: skip
    assert Store(world.folder / "out").version() is None
    assert not (folder.parent / "cut off").exists()
    again = plan(world.path())
    assert (again.new, again.plan.plan_id) == (False, laid.plan.plan_id)
    world.remove("a")
    done = apply(world.path(), by="ana", note="looked at all of it")
    assert (done.version, done.new, done.run_id) == (0, True, laid.plan.plan_id)
    commit = Store(world.folder / "out").current()
    assert commit.metadata["siftset_approved_by"] == "ana"
    assert commit.metadata["siftset_note"] == "looked at all of it"
    manifest = RunFolder(world.folder / "out", done.run_id).manifest()
    assert (manifest["state"], manifest["approval"]["by"]) == ("published", "ana")
    assert (world.folder / "out/runs" / done.run_id / "diff.html").is_file()
    assert not list((world.folder / "out/plans").iterdir())
    assert not apply(world.path(), done.run_id).new
    with pytest.raises(OutputError, match="has no plan: run  siftset plan"):
        apply(world.path())


def test_a_stale_plan_is_refused_and_says_what_changed(world):
    world.refresh()
    world.texts("b", "a good new one")
    first = plan(world.path(), refresh=True).plan.plan_id
    world.change(keep="long", split={"train": 0.5, "validation": 0.5})
    with pytest.raises(OutputError, match="is stale: the section 'split' changed; the formula"):
        apply(world.path(), first)
    world.change(keep="long & ~bad", split={"train": 0.9, "validation": 0.1})
    world.texts("c", "and good again")
    with pytest.raises(OutputError, match=r"is stale: the input c\.jsonl changed; run"):
        apply(world.path(), first, check_input=True)
    second = plan(world.path(), refresh=True).plan.plan_id  # of a newer input: the first one goes
    other = plan(world.path(), overrides=["keep=long"]).plan.plan_id
    with pytest.raises(OutputError, match=f"has no plan '{first}', expected one of: {other}, "):
        apply(world.path(), first)
    with pytest.raises(OutputError, match="has 2 plans: name one of"):
        apply(world.path(), overrides=["keep=bad"])
    assert apply(world.path()).run_id == second  # the one that this recipe fits
    with pytest.raises(OutputError, match="it rests on version 0 and the set is at version 1"):
        apply(world.path(), other)
    (standing,) = list_plans(world.path())
    assert (standing.plan.plan_id, standing.state) == (other, "stale")
    assert [one.plan.plan_id for one in list_plans(world.path(), prune=True)] == [other]
    assert not list_plans(world.path())


def test_a_plan_that_the_gate_refused_is_shown_and_never_applied(world):
    world.refresh()
    world.change(integrity={"thresholds": {"rejected_share": {"critical": 0.1}}})
    with pytest.raises(GateFailed, match="plans"):
        plan(world.path())
    (standing,) = list_plans(world.path())
    assert (standing.state, standing.plan.verdict) == ("refused", "fail")
    with pytest.raises(GateFailed, match=r"was refused: the gate failed.*change the recipe"):
        apply(world.path())
    assert Store(world.folder / "out").version() == 0
    world.change(integrity={})
    world.texts("b", "a good new one")
    laid = plan(world.path())
    assert apply(world.path()).run_id == laid.plan.plan_id


def test_of_two_applies_at_once_one_publishes(world):
    world.refresh()
    world.texts("b", "a good new one")
    laid = plan(world.path(), refresh=True).plan.plan_id
    recipe, ended = world.path(), []

    def work():
        try:
            ended.append(apply(recipe, laid).new)
        except Locked:
            ended.append(False)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [False, True]
    assert [commit.version for commit in Store(world.folder / "out").history()] == [1, 0]


def test_a_kill_before_the_commit_leaves_the_plan_and_one_after_it_the_version(world, monkeypatch):
    laid = plan(world.path()).plan.plan_id

    class Killed(BaseException):
        pass

    def stop(*_args, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_commit_files", stop)
        with pytest.raises(Killed):
            apply(world.path(), laid)
    assert Store(world.folder / "out").version() is None
    with monkeypatch.context() as patch:
        patch.setattr("siftset.pipeline.stages.publish_plan.finish_commit", stop)
        with pytest.raises(Killed):
            apply(world.path(), laid)
    assert (world.folder / "out/plans" / laid).is_dir()
    assert not apply(world.path(), laid).new
    assert not (world.folder / "out/plans" / laid).exists()
    assert world.set().height == 2


def test_apply_goes_on_as_a_refresh_does(world):
    world.change(refresh={"keep_versions": 1})
    for number in range(3):
        world.texts(f"b{number}", f"a good one, number {number}")
        plan(world.path(), refresh=True)
        apply(world.path())
    assert [path.name for path in (world.folder / "out/versions").iterdir()] == ["2"]
    assert not refresh(world.path()).new


def test_the_commands_speak_and_the_exit_code_tells_of_changes(world, run, told):
    recipe = world.path()
    world.refresh()
    nothing = run("plan", recipe, "--exit-code")
    assert (nothing.exit_code, nothing.stdout) == (
        0, "Nothing to plan: version 0 is what would be published\n",
    )  # fmt: skip
    shown = run("plan", recipe, "--exit-code", "--set", "signals.long.length.min=15")
    assert shown.exit_code == 10
    assert "0 rows added, 1 removed, 0 changed" in shown.stdout
    assert "1  removed: a changed threshold: long" in shown.stdout
    assert "siftset apply" in shown.stdout
    (one,) = told("plans", recipe)["plans"]
    assert (one["state"], one["stale"]) == ("stale", ["signal 'long' changed"])
    stale = run("apply", recipe)
    assert (stale.exit_code, "is stale: signal 'long' changed" in stale.stderr) == (2, True)
    done = told("apply", recipe, "--set", "signals.long.length.min=15", "--by", "ana")
    assert (done["version"], done["new"]) == (1, True)
    assert plans.list_plans(recipe) == []


def test_a_refresh_that_wants_approval_lays_one_plan_and_tells_of_it(world, listener):
    world.refresh()
    world.change(refresh={"approve": True, "notify": listener.url, "removed": "delete"})
    first = refresh(world.path())
    assert (first.plan, first.new) == (None, False)
    world.texts("b", "a good new one")
    laid = refresh(world.path(), overrides=["seed=0"])
    assert laid.plan.scheduled
    assert Store(world.folder / "out").version() == 0
    (heard,) = listener.bodies
    assert heard["command"].endswith(f"recipe.json {laid.plan.plan_id} --set seed=0")
    assert heard["changes"]["added"] == 1
    assert "1 row added, 0 removed, 0 changed against version 0" in heard["text"]
    assert not refresh(world.path(), overrides=["seed=0"]).new
    assert len(listener.bodies) == 1
    world.texts("c", "and another good one")
    newer = refresh(world.path())
    assert [one.plan.plan_id for one in list_plans(world.path())] == [newer.plan.plan_id]
    assert not (world.folder / "out/ledger" / laid.plan.plan_id).exists()
    done = apply(world.path(), by="ana", note="fine")
    assert done.version == 1
    assert (listener.bodies[-1]["event"], listener.bodies[-1]["by"]) == ("applied", "ana")
    assert world.set().equals(world.full())
    world.texts("d", "one more that is good")
    assert refresh(world.path()).plan is not None
    world.remove("d")
    assert refresh(world.path()).plan is None
    assert not list_plans(world.path())


@pytest.mark.parametrize(
    ("texts", "waits"),
    [
        (["good one here", "bad one here", "another good one", "a third one"], False),
        (["good one here", "bad one here", "a third one", "a fourth one"], True),
        (["good one here", "another good one", *(f"number {n} is new" for n in range(4))], True),
    ],
)
def test_small_changes_are_published_and_large_ones_wait(world, texts, waits):
    below = {"added_share": 0.5, "removed_share": 0.1}
    world.change(refresh={"approve": {"below": below}, "removed": "delete"})
    first = refresh(world.path())
    assert first.plan is not None  # there is no version to be small against
    apply(world.path())
    world.texts("a", *texts)
    done = refresh(world.path())
    assert (done.plan is not None) == waits
    if not waits:
        assert done.version == 1
        assert (world.folder / "out/runs" / done.run_id / "diff.html").is_file()
