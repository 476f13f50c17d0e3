"""What a later record of an id took out stays out until a later record brings it back."""

from __future__ import annotations

import pytest

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
