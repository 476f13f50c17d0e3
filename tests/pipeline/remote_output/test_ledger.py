"""The ledger in a store: few requests, whole or not at all, and as earlier versions left it."""

from __future__ import annotations

import collections

import polars as pl
import pytest

from siftset.pipeline.refresh import refresh
from siftset.pipeline.remote_output import ledger_packs

INPUTS = 12


@pytest.fixture
def requests(s3_server, monkeypatch):
    """Count the requests of a call by method and by what they are about."""
    seen, answer = [], s3_server.app

    def heard(environ, start):
        seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]))
        return answer(environ, start)

    monkeypatch.setattr(s3_server, "app", heard)

    def count(call, about="/"):
        seen.clear()
        result = call()
        kinds = collections.Counter(m for m, path, query in seen if about in f"{path}?{query}")
        return result, kinds

    return count


@pytest.fixture
def inputs(world):
    for number in range(INPUTS):
        world.lines(f"in/{number:02d}.jsonl", f"the text of number {number}", "a text of all")


def test_requests_do_not_grow_with_inputs(inputs, machines, requests, world):
    """The figures that docs/refresh.md gives."""
    first, of_first = requests(lambda: refresh(machines("a")))
    of_inputs = 4 * INPUTS
    assert first.new
    assert of_first.total() == 35 + of_inputs
    same, of_same = requests(lambda: refresh(machines("a")))
    empty, of_empty = requests(lambda: refresh(machines("b")))
    assert not same.new
    assert not empty.new
    assert (of_same.total(), of_empty.total()) == (22, 29)
    world.lines("in/new.jsonl", "a new text", "a text of all")
    new, of_new = requests(lambda: refresh(machines("c")))
    assert (new.version, new.rows.read) == (1, 2)
    assert of_new.total() == 47
    assert machines.set().equals(machines.full())


def test_nothing_new_fetches_no_rows(inputs, machines, requests):
    refresh(machines("a"))
    _, asked = requests(lambda: refresh(machines("b")), "reviews/ledger")
    assert asked == {"HEAD": 1, "GET": 1}
    assert not (machines.world.folder / "b/out/t/ledger/rows").exists()


def test_many_refreshes_leave_few_packs(machines, monkeypatch, world):
    monkeypatch.setattr(ledger_packs, "MOST_PACKS", 3)
    monkeypatch.setattr("siftset.pipeline.remote_output.push.GRACE", -60.0)
    for day in range(6):
        world.lines(f"in/{day}.jsonl", f"the text of day {day}", "a text of all")
        assert refresh(machines("ab"[day % 2])).version == day
        assert len(machines.names("ledger/packs")) <= 4  # the latest push sweeps what was before
    assert machines.set().equals(machines.full())


def unpack_ledger(machines, machine):
    """Leave the ledger in the store as earlier versions of siftset did."""
    world, ledger = machines.world, machines.world.folder / machine / "out/t/ledger"
    machines.remove(*(name for name in machines.names("ledger") if name.endswith(".zip")))
    for path in (*ledger.rglob("*.arrow"), *ledger.rglob("*.parquet"), *ledger.glob("*/list.json")):
        name = path.relative_to(ledger.parent).as_posix()
        world.store.pipe_file(f"{world.bucket}/reviews/{name}", path.read_bytes())


def test_many_objects_that_do_not_fit_their_list_are_not_trusted(machines, world):
    world.lines("in/a.jsonl", "the first text", "the second text")
    refresh(machines("one"))
    unpack_ledger(machines, "one")
    (name,) = (n for n in machines.names("ledger") if "/candidates" in n)
    short = world.folder / "short.parquet"
    pl.read_parquet(f"{machines.address}/{name}").head(1).write_parquet(short)
    world.store.put_file(str(short), f"{world.bucket}/reviews/{name}")
    world.lines("in/b.jsonl", "the third text")
    assert refresh(machines("two")).rows.read == 3
    assert machines.set().equals(machines.full())


def test_a_ledger_of_many_objects_is_read_and_then_packed(inputs, machines, world):
    refresh(machines("a"))
    unpack_ledger(machines, "a")
    world.lines("in/new.jsonl", "a new text", "a text of all")
    new = refresh(machines("b"))
    assert (new.version, new.rows.read) == (1, 2)
    assert machines.set().equals(machines.full())
    world.lines("in/newer.jsonl", "a newer text")
    assert refresh(machines("c")).rows.read == 1


@pytest.mark.parametrize("damage", ["lost", "cut off", "no archive"])
@pytest.mark.parametrize("which", ["index", "pack"])
def test_a_damaged_ledger_is_read_anew(machines, which, damage, world):
    for day in range(2):
        world.lines(f"in/{day}.jsonl", f"the text of day {day}", "a text of all")
    refresh(machines("a"))
    world.lines("in/new.jsonl", "a new text", "a text of all")
    (name,) = (n for n in machines.names("ledger") if ("packs/" in n) is (which == "pack"))
    place = f"{world.bucket}/reviews/{name}"
    whole = world.store.cat_file(place)
    machines.remove(name)
    if damage != "lost":
        data = whole[: len(whole) // 2] if damage == "cut off" else b"this is no archive"
        world.store.pipe_file(place, data)
    done = refresh(machines("b"))
    assert (done.version, done.rows.read) == (1, 6)
    assert machines.set().equals(machines.full())
