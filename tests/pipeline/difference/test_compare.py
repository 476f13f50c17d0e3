"""Which rows differ between two versions, counted as sets are, and the class of each reason."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.difference import find_rows
from siftset.pipeline.difference.compare import compare_states
from siftset.pipeline.difference.definitions import compare_definitions, list_recipe_changes
from siftset.pipeline.difference.state import SetState, version_state
from siftset.pipeline.refresh.versions import roll_back_set
from siftset.pipeline.storage.table import Store
from siftset.schemas.results.difference import Side

ROWS = [
    {"id": "both", "text": "nike shoes", "label": "a"},
    {"id": "short", "text": "nike", "label": "a"},
    {"id": "other", "text": "other shoes", "label": "b"},
    {"id": "twin", "text": "my nike shoes", "label": "b"},
    {"id": "twin again", "text": "my  nike shoes", "label": "b"},
    {"id": "long", "text": "nike " * 12, "label": "a"},
]


@pytest.fixture
def world(new_world):
    made = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "id": "id", "label": "label"}},
        signals={
            "nike": {"keyword": {"words": ["nike"]}},
            "size": {"length": {"min": 8, "unit": "chars"}},
        },
        keep="nike & size",
        integrity={"rows": {"text": {"max_chars": 60}}},
        refresh={"merge": "upsert"},
    )
    made.write("a", ROWS)
    return made


def _compare(world, before=0, after=1):
    curate(world.path())
    store = Store(world.folder / "out")
    return compare_states(version_state(store, before), version_state(store, after))


def _reasons(found):
    return {(one.kind, one.reason, one.detail, one.rows) for one in found.reasons}


def _signals(**changes):
    made = {
        "nike": {"keyword": {"words": ["nike"]}},
        "size": {"length": {"min": 8, "unit": "chars"}},
    }
    return {"signals": {**made, **changes}}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            _signals(size={"length": {"min": 3, "unit": "chars"}}),
            {("added", "threshold", "size", 1)},
        ),
        (
            _signals(nike={"keyword": {"words": ["nike", "other"]}}),
            {("added", "list", "nike", 1)},
        ),
        (
            {"keep": "size & ~nike"},
            {("added", "formula", "nike", 1), ("removed", "formula", "~nike", 3)},
        ),
        ({"dedupe": {"exact": False}}, {("added", "rule", "", 1)}),
        (
            {"integrity": {"rows": {"text": {"max_chars": 12}}}},
            {
                ("removed", "rule", "text: longer than 12 characters", 2),
            },
        ),
    ],
)  # fmt: skip
def test_a_changed_recipe_is_the_reason(world, change, wanted):
    curate(world.path())
    world.change(**change)
    assert _reasons(_compare(world)) == wanted


def test_the_input_is_the_reason(world):
    curate(world.path())
    rows = {one["id"]: one for one in ROWS if one["id"] != "both"}
    rows["twin"] = {"id": "twin", "text": "something else", "label": "b"}
    rows["long"] = {**rows["long"], "label": "c"}
    rows["short"] = {**rows["short"], "text": "nike and more"}
    world.write("a", list(rows.values()))
    world.write("b", [{"id": "new", "text": "a new nike", "label": "b"}])
    found = _compare(world)
    assert _reasons(found) == {
        ("added", "new input", "", 1),
        ("added", "correction", "size", 1),
        ("added", "duplicate", "", 1),
        ("removed", "correction", "nike", 1),
        ("removed", "gone input", "", 1),
        ("changed", "correction", "label", 1),
    }
    changes = found.changes
    assert (changes.added, changes.removed, changes.changed, changes.relabelled) == (3, 2, 1, 1)
    (label,) = (one for one in found.samples if one.kind == "changed")
    assert (label.before.label, label.after.label, label.columns) == ("a", "c", ("label",))
    slices = {one.value: one for one in found.of_column("source")}
    assert (slices["b.jsonl"].added, slices["a.jsonl"].removed) == (1, 2)


def test_the_signal_that_decided_is_named_with_its_states_and_scores(world):
    curate(world.path())
    world.change(**_signals(size={"length": {"min": 12, "unit": "chars"}}))
    found = _compare(world)
    (row,) = found.samples
    assert (row.place, row.clause, row.signal) == ("rejected", "size", "size")
    assert (row.states, row.scores) == (("true", "false"), (10.0, 10.0))
    assert (row.before.text, row.after) == ("nike shoes", None)
    lengths = next(one for one in found.distributions if one.name == "length")
    assert (sum(lengths.before), sum(lengths.after)) == (3, 2)
    score = next(one for one in found.distributions if one.name == "score of size")
    assert (sum(score.before), sum(score.after)) == (3, 2)


def test_signals_that_only_one_side_has_are_counted_for_that_side(world):
    curate(world.path())
    loud = {"length": {"max": 400, "unit": "chars"}}
    world.change(**_signals(loud=loud), keep="nike & size & loud")
    found = _compare(world)
    assert not found.changes.any
    score = next(one for one in found.distributions if one.name == "score of loud")
    assert (sum(score.before), sum(score.after)) == (0, 3)


def test_another_split_is_a_move_and_no_correction(world):
    curate(world.path())
    world.change(split={"train": 0.1, "validation": 0.9})
    found = _compare(world)
    assert found.changes.changed == found.changes.moved > 0
    assert {one.reason for one in found.reasons} == {"split"}


def test_late_and_lost_keepers_are_duplicates_to_a_refresh(new_world):
    world = new_world(refresh={"removed": "delete"})
    world.texts("m", "the same text", "another text")
    world.refresh()
    world.texts("a", "the  same text")  # sorts first, so that its copy is kept now
    world.refresh()
    store = Store(world.folder / "out")
    late = compare_states(version_state(store, 0), version_state(store, 1))
    assert _reasons(late) == {("added", "new input", "", 1), ("removed", "duplicate", "", 1)}
    world.remove("a")
    world.refresh()
    lost = compare_states(version_state(store, 1), version_state(store, 2))
    assert _reasons(lost) == {("added", "duplicate", "", 1), ("removed", "gone input", "", 1)}


def test_a_version_that_was_brought_back_is_explained_by_the_run_that_made_it(world):
    curate(world.path())
    world.change(keep="size & ~nike")
    curate(world.path())
    roll_back_set(world.path(), 0)
    store = Store(world.folder / "out")
    same = compare_states(version_state(store, 0), version_state(store, 2))
    assert not same.changes.any
    back = compare_states(version_state(store, 1), version_state(store, 2))
    assert _reasons(back) == {("added", "formula", "~nike", 3), ("removed", "formula", "nike", 1)}


def test_code_lists_and_numbers_of_a_formula_are_told_apart():
    def run(signals, prints, formula="a & b"):
        document = {"signals": signals}
        return {
            "recipe": {"document": document},
            "formula": {"canonical": formula},
            "signals": prints,
            "inputs": [],
        }

    written = {"a": {"python": "mine.py:a"}, "b": {"keyword": {"list": "words.txt"}}}
    before = run(written, {"a": "1", "b": "1"})
    found = compare_definitions(before, run(written, {"a": "2", "b": "2"}))
    assert found.signals == {"a": "code", "b": "list"}
    assert found.formula is None
    found = compare_definitions(run({}, {}, "score > 0.5"), run({}, {}, "score > 0.25"))
    assert found.formula == "threshold"
    assert compare_definitions({}, before).main is None


IDS = st.dictionaries(
    st.integers(0, 40).map(lambda n: f"{(n * 0x9E3779B97F4A7C15) % 2**64:016x}" * 2),
    st.sampled_from("xyz"),
    max_size=30,
)


def test_what_a_recipe_says_otherwise_is_listed_key_by_key():
    def run(**document):
        return {"recipe": {"document": {"name": "n", "output": "o", **document}}}

    before = run(keep="a", signals={"a": {"keyword": {"words": ["x"]}}}, train={"epochs": 1})
    after = run(keep="a", signals={"a": {"keyword": {"words": ["x", "é"]}}, "b": {"min": 0.5}})
    assert [tuple(one.model_dump().values()) for one in list_recipe_changes(before, after)] == [
        ("signals.a.keyword.words", '["x"]', '["x", "é"]'),
        ("signals.b.min", "", "0.5"),
    ]
    assert list_recipe_changes(before, before) == list_recipe_changes({}, after) == ()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=IDS, after=IDS, rows=st.sampled_from([1, 7, 100]))
def test_rows_are_counted_as_sets_are(before, after, rows, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(find_rows, "PASS_ROWS", rows)
    folder = tmp_path_factory.mktemp("sides")
    sides = []
    for name, texts in (("before", before), ("after", after)):
        frame = pl.DataFrame(
            {"row_id": list(texts), "text": list(texts.values()), "split": ["train"] * len(texts)},
            schema={"row_id": pl.String, "text": pl.String, "split": pl.String},
        )
        source = pl.lit({"file": "a", "record": 0}).alias("source")
        frame.with_columns(source).write_parquet(folder / f"{name}.parquet")
        sides.append(SetState(Side(name=name), (folder / f"{name}.parquet",)))
    found = compare_states(*sides).changes
    both = before.keys() & after.keys()
    assert (found.added, found.removed, found.changed) == (
        len(after.keys() - before.keys()),
        len(before.keys() - after.keys()),
        sum(before[one] != after[one] for one in both),
    )
