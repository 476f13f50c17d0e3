"""A nightly job in a container with an empty disk: killed at any moment, and with a model."""

from __future__ import annotations

import pkgutil
import random
import signal
import time

import polars as pl
import pytest

from siftset.pipeline.cli.command import TERMINATED
from siftset.pipeline.model_registry.registry import current_model
from siftset.pipeline.refresh import refresh
from siftset.pipeline.refresh.versions import list_history


@pytest.mark.slow
def test_a_job_that_is_stopped_never_leaves_half_a_version(machines, stop_refresh, few_or_all):
    world, chance, stopped = machines.world, random.Random(1), 0
    rounds = few_or_all(6, 24)
    world.lines("in/a.jsonl", "text number 0")
    refresh(machines("start"))
    wanted, took = {"text number 0"}, 1.0
    for number in range(1, rounds + 1):
        before, wanted = wanted, {*wanted, f"text number {number}"}
        world.lines(f"in/b{number}.jsonl", f"text number {number}")

        def look(allowed=(before, wanted)):
            assert set(machines.set()["text"]) in allowed

        sent = signal.SIGKILL if number % 2 else signal.SIGTERM
        code = stop_refresh(machines(f"m{number}"), sent, chance.uniform(0.1, took), look)
        # one that is ended before it hears signals ends by them too
        assert code in (None, 0, TERMINATED, -sent)
        stopped += code not in (None, 0)
        look()
        began = time.monotonic()
        refresh(machines(f"m{number}" if chance.random() < 0.5 else f"n{number}"))
        took = time.monotonic() - began
        assert set(machines.set()["text"]) == wanted
    assert stopped > rounds // 4
    assert machines.set().equals(machines.full())
    assert not refresh(machines("end")).new


@pytest.mark.slow
def test_three_days_with_a_training_on_the_second(machines, tiny_encoder, run):
    sections = {
        "split": {"train": 0.7, "validation": 0.3},
        "train": {"task": "mlm", "model": str(tiny_encoder), "epochs": 1, "max_length": 32},
        "compare": {"positive": None, "negative": None, "resamples": 50},
        "refresh": {"retrain_after": 50, "promote": "always"},
    }
    found = []
    for day in range(3):
        words = ("the soft shoe is good", "a warm hat was great", "the light bag is strong")
        texts = (f"{words[n % 3]} and {n + 40 * day} more" for n in range(40))
        machines.world.lines(f"in/{day}.jsonl", *texts)
        found.append(refresh(machines(f"day{day}", **sections)))
    assert [one.rows.read for one in found] == [40, 40, 40]
    assert [one.set_rows for one in found] == [40, 80, 120]
    assert [one.model["due"] for one in found] == [False, True, False]
    assert "40 new rows since the last training" in found[2].model["why"]
    days = [machines.world.folder / f"day{day}/out/t" for day in range(3)]
    current = current_model(days[2] / "models")
    assert current.name == found[1].model["current"] == found[2].model["current"]
    assert weights(current) == weights(current_model(days[1] / "models"))
    listed = list_history(machines("another"))
    assert [(one["version"], one["rows"]) for one in listed] == [(2, 120), (1, 80), (0, 40)]
    assert [one["models"] for one in listed] == [[], [current.name], []]
    assert machines.set().equals(full(machines, sections))
    assert not any("checkpoint" in name for name in machines.names("models"))
    assert run("predict", current, "the soft [MASK] is good").exit_code == 0


def weights(model):
    return (model / "model.safetensors").read_bytes()


def full(machines, sections):
    from siftset.pipeline.commands.curate import curate

    source = machines.world.address("in/*.jsonl")
    curate(machines.world.recipe(source, output="full", split=sections["split"]))
    return machines.same(pl.read_delta(str(machines.world.folder / "full/set")))


STEPS = [
    "siftset.pipeline.remote_output.push.push_ledger",
    "siftset.pipeline.remote_output.ledger_packs._send_pack",
    "siftset.pipeline.remote_output.ledger_packs._make_index",
    "siftset.pipeline.remote_output.push._push_changed",
    "siftset.pipeline.remote_output.push._push_runs",
    "siftset.pipeline.remote_output.push.mirror_set",
    "siftset.pipeline.remote_output.mirror._write_entry",
    "siftset.pipeline.remote_output.push._push_models",
    "siftset.pipeline.remote_output.push.push_current",
    "siftset.pipeline.remote_output.push._sweep_ledger",
]
TAKING = [
    "siftset.pipeline.remote_output.pull.fetch_log",
    "siftset.pipeline.remote_output.pull._pull_fixes",
    "siftset.pipeline.remote_output.pull._pull_runs",
    "siftset.pipeline.remote_output.pull._drop_unpublished",
    "siftset.pipeline.remote_output.pull._pull_models",
    "siftset.pipeline.refresh.incremental._pull_ledger",
    "siftset.pipeline.refresh.incremental._have_rows",
]
ALL = [*TAKING, *STEPS]
FEW = [
    "siftset.pipeline.remote_output.push.mirror_set",
    "siftset.pipeline.remote_output.mirror._write_entry",
]


@pytest.mark.parametrize(
    ("steps", "again", "after"),
    [
        (FEW, "an empty machine", False),
        (FEW, "the same machine", True),
        pytest.param(ALL[::2], "an empty machine", True, marks=pytest.mark.slow),
        pytest.param(ALL[1::2], "the same machine", False, marks=pytest.mark.slow),
        *(
            pytest.param(ALL, again, after, marks=[pytest.mark.slow, pytest.mark.full])
            for again in ("an empty machine", "the same machine")
            for after in (False, True)
        ),
    ],
)
def test_a_run_that_ends_at_any_step_is_finished_by_the_next(
    machines, monkeypatch, steps, again, after
):
    world = machines.world
    world.lines("in/a.jsonl", "text number 0")
    refresh(machines("start"))
    for number, name in enumerate(steps, 1):
        before = set(machines.set()["text"])
        world.lines(f"in/b{number:02}.jsonl", f"text number {number}", "text number 0")
        with monkeypatch.context() as patch:
            patch.setattr(name, stopping(pkgutil.resolve_name(name), after=after))
            with pytest.raises(KeyboardInterrupt):
                refresh(machines(f"m{number}"))
        wanted = {*before, f"text number {number}"}
        assert set(machines.set()["text"]) in (before, wanted), name
        refresh(machines(f"m{number}" if again == "the same machine" else f"n{number}"))
        assert set(machines.set()["text"]) == wanted, name
    assert machines.set().equals(machines.full())
    assert not refresh(machines("end")).new
    pages = {p.name for p in (world.folder / "end/out/t/runs").iterdir()}
    made = {one["run_id"] for one in machines.run("history", machines("end"))["versions"]}
    assert pages == made


def stopping(step, *, after):
    def stopped(*given, **named):
        if after:
            step(*given, **named)
        raise KeyboardInterrupt

    return stopped
