"""The set after any sequence of refreshes is the set of one full run over the same input."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

TEXTS = ("hello world", "hello  world", "second one", "third one", "bad one", "short", "hi", None)
NAMES = ("a", "b", "c", "d")
LONGER = {"long": {"length": {"min": 6}}, "bad": {"keyword": {"words": ["bad"]}}}
OTHER_LIST = {"long": {"length": {"min": 5}}, "bad": {"keyword": {"words": ["third", "bad"]}}}
RECIPES = (
    {"keep": "long"},
    {"keep": "long & ~bad"},
    {"signals": LONGER},
    {"signals": OTHER_LIST},
    {"seed": 3},
    {"dedupe": {"exact": False}},
    {"dedupe": {"exact": True}},
    {"integrity": {}},
    {"prepare": {"take": 4}},
    {"prepare": {}},
)

texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), texts),
    st.tuples(st.just("grow"), st.sampled_from(NAMES), texts),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("recipe"), st.sampled_from(RECIPES), st.none()),
    st.tuples(st.just("forget"), st.none(), st.none()),
)
rounds = st.lists(st.lists(steps, min_size=1, max_size=2), min_size=2, max_size=4)


def play(world, held, step):
    """Do one thing to the world; return whether there is still an input."""
    kind, what, rows = step
    if kind == "write":
        held[what] = rows
    elif kind == "grow":
        held[what] = [*held.get(what, ()), *rows]
    elif kind == "remove" and len(held) > 1 and what in held:
        del held[what]
        world.remove(what)
    elif kind == "recipe":
        world.change(**what)
    elif kind == "forget":
        world.forget()
    if kind in ("write", "grow"):
        world.texts(what, *held[what])


WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
given_changes = given(first=texts, rounds=rounds)


def quickly(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        phases=WITHOUT_SHRINKING,
        suppress_health_check=list(HealthCheck),
    )


@quickly(6)
@given_changes
def test_refreshes_equal_a_full_run(new_world, first, rounds):
    equal_after_every_round(new_world, first, rounds)


@pytest.mark.slow
@quickly(100 if os.environ.get("SIFTSET_TESTS") == "full" else 12)
@given_changes
def test_many_refreshes_equal_a_full_run(new_world, first, rounds):
    equal_after_every_round(new_world, first, rounds)


def equal_after_every_round(new_world, first, rounds):
    world = new_world(refresh={"removed": "delete"})
    held = {"b": first}
    world.texts("b", *first)
    for changes in ([], *rounds):
        for step in changes:
            play(world, held, step)
        result = world.refresh()
        assert world.set().equals(world.full())
        assert result.set_rows == world.set().height
        assert not world.refresh().new
