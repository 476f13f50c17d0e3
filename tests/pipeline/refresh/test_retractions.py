"""What a later record of an id took out stays out until a later record brings it back."""

from __future__ import annotations

import random

import pytest

from siftset.pipeline.commands.curate import curate

FILES = {"paths": ["in/*.jsonl"], "id": "id"}
UPSERT: dict[str, object] = {"source": {"files": FILES}, "refresh": {"merge": "upsert"}}
OTHER = "(long & ~bad) & long"
"""The formula of the world once more: another hash, the same answers."""


def said(world) -> set[tuple[str, str]]:
    return set(world.set().select("id", "text").rows())


@pytest.fixture
def retracted(new_world):
    """A world in which the second file takes out what the first said of k."""
    world = new_world(**UPSERT)
    world.write("a", [{"id": "k", "text": "first words"}, {"id": "n", "text": "other words"}])
    world.refresh()
    world.write("b", [{"id": "k", "text": "bad words"}])
    world.refresh()
    assert said(world) == {("n", "other words")}
    return world


def test_a_retraction_outlives_its_file(retracted):
    retracted.remove("b")
    retracted.refresh()
    assert said(retracted) == {("n", "other words")}


def test_a_retraction_outlives_its_file_and_the_formula(retracted):
    retracted.remove("b")
    for keep in (OTHER, "long & ~bad", OTHER):
        retracted.change(keep=keep)
        retracted.refresh()
        assert said(retracted) == {("n", "other words")}


def test_a_formula_that_changes_as_the_file_goes_brings_nothing_back(retracted):
    retracted.write("b", [{"id": "k", "text": "bad words"}, {"id": "m", "text": "good words"}])
    retracted.refresh()
    retracted.remove("b")
    retracted.change(keep=OTHER)
    retracted.refresh()
    assert said(retracted) == {("n", "other words"), ("m", "good words")}


def test_a_later_record_brings_it_back(retracted):
    retracted.remove("b")
    retracted.change(keep=OTHER)
    retracted.refresh()
    retracted.write("c", [{"id": "k", "text": "third words"}])
    retracted.refresh()
    assert said(retracted) == {("n", "other words"), ("k", "third words")}
    retracted.remove("c")
    retracted.change(keep="long & ~bad")
    retracted.refresh()
    assert said(retracted) == {("n", "other words"), ("k", "third words")}


def test_a_record_that_a_later_formula_rejects_takes_out_the_earlier_one(new_world):
    world = new_world(**UPSERT)
    world.write("a", [{"id": "k", "text": "first words"}])
    world.write("b", [{"id": "k", "text": "worse words"}])
    world.refresh()
    world.remove("b")
    world.change(signals={"long": {"length": {"min": 5}}, "bad": {"keyword": {"words": ["worse"]}}})
    world.refresh()
    assert said(world) == set()
    world.change(keep=OTHER)
    world.refresh()
    assert said(world) == set()


def test_files_in_an_order_of_their_own_keep_it_when_one_goes(new_world):
    """The recipe names the later file first; what is gone is not taken for the latest."""
    world = new_world(source={"files": {"paths": ["in/z.jsonl", "in/a*.jsonl"], "id": "id"}},
                      refresh={"merge": "upsert"})  # fmt: skip
    world.write("z", [{"id": "k", "text": "first words"}])
    world.write("a1", [{"id": "k", "text": "second words"}])
    world.write("a2", [{"id": "k", "text": "third words"}])
    world.refresh()
    assert said(world) == {("k", "third words")}
    world.remove("a1")
    world.refresh()
    assert said(world) == {("k", "third words")}


def test_what_is_lost_takes_nothing_out_where_ids_only_repeat(new_world):
    """Under append a record that an archived file had, and no formula kept, may come again."""
    world = new_world(source={"files": FILES})
    world.write("a", [{"id": "k", "text": "bad words"}, {"id": "n", "text": "other words"}])
    world.refresh()
    world.remove("a")
    world.change(keep="long")
    world.write("b", [{"id": "k", "text": "bad words"}])
    world.refresh()
    assert said(world) == {("n", "other words"), ("k", "bad words")}


@pytest.mark.parametrize("how", ["after curate", "without a ledger", "without a ledger, twice"])
@pytest.mark.parametrize("formula", ["long & ~bad", OTHER])
def test_a_retraction_outlives_its_file_and_what_refreshes_remember(retracted, how, formula):
    if how == "after curate":
        retracted.change(seed=9)  # else there is nothing new to curate
        assert curate(retracted.path()).new
    else:
        retracted.forget()
    retracted.remove("b")
    retracted.change(keep=formula)
    retracted.refresh()
    assert said(retracted) == {("n", "other words")}
    if how.endswith("twice"):
        retracted.forget()
    retracted.write("c", [{"id": "m", "text": "good words"}])
    retracted.refresh()
    assert said(retracted) == {("n", "other words"), ("m", "good words")}
    retracted.write("d", [{"id": "k", "text": "fourth words"}])
    retracted.refresh()
    assert said(retracted) == {("n", "other words"), ("m", "good words"), ("k", "fourth words")}


class Remembered:
    """What should be in the set, decided record by record in plain Python."""

    def __init__(self):
        self.files, self.gone, self.banned = {}, set(), "bad"

    def put(self, name, rows):
        self.files[name] = [[one["id"], one["text"], True] for one in rows]
        self.gone.discard(name)

    def archive(self, name):
        self.gone.add(name)

    def decide(self):
        """Mark what is not kept; of an input that is gone that holds for good."""
        for name, rows in self.files.items():
            for row in rows:
                kept = self.banned not in row[1]
                row[2] = kept and (row[2] or name not in self.gone)

    def last(self):
        found = {}
        for name in sorted(self.files):
            for row in self.files[name]:
                found.setdefault(row[0], []).append((name, row))
        return found

    def set(self):
        return {(key, rows[-1][1][1]) for key, rows in self.last().items() if rows[-1][1][2]}

    def traces(self):
        """Give what a set shows without a ledger: its rows, and what took out something."""
        return [rows[-1][1] for rows in self.last().values() if rows[-1][1][2] or len(rows) > 1]

    def forget(self, traces):
        """Know no more of inputs that are gone than a set shows."""
        for name in self.gone:
            self.files[name] = [row for row in self.files[name] if any(row is t for t in traces)]

    def full(self):
        self.files = {n: rows for n, rows in self.files.items() if n not in self.gone}
        self.gone.clear()


WORDS = ("bad words", "worse words", "good words", "other words")


@pytest.mark.parametrize(
    "seed", [0, 1, 3, *(pytest.param(n, marks=pytest.mark.full) for n in range(4, 24))]
)
def test_the_set_is_what_the_records_say_whatever_happens_to_files(new_world, seed):
    """Orders of files, archiving, formula changes, lost ledgers and full runs in between."""
    draw, expected, is_lost = random.Random(seed), Remembered(), False
    world = new_world(**UPSERT, dedupe={"exact": False})
    for step in range(10):
        traces = expected.traces()
        name = draw.choice("abcd")
        if step and name in expected.files and name not in expected.gone and draw.random() < 0.4:
            world.remove(name)
            expected.archive(name)
        else:
            ids = draw.sample("klmn", draw.randint(1, 3))
            rows = [{"id": one, "text": f"{draw.choice(WORDS)} {step}"} for one in ids]
            world.write(name, rows)
            expected.put(name, rows)
        if draw.random() < 0.3:
            expected.banned = draw.choice(["bad", "worse"])
            banned = {"keyword": {"words": [expected.banned]}}
            world.change(signals={"long": {"length": {"min": 5}}, "bad": banned})
        if draw.random() < 0.25:
            world.forget()
            is_lost = True
        if set(expected.files) - expected.gone and draw.random() < 0.2:
            expected.full()
            curate(world.path())
            is_lost = True
        elif set(expected.files) - expected.gone:
            if is_lost:
                expected.forget(traces)
            world.refresh()
            is_lost = False
        else:
            continue
        expected.decide()
        assert said(world) == expected.set(), step
