"""Columns of another file by id: ground truth that arrives late, an annotator's answers."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import RecipeError, SourceError

JOIN = {"path": "truth.csv"}


@pytest.fixture
def world(new_world):
    files = {"paths": ["in/*.jsonl"], "id": "n", "label": "label", "join": JOIN}
    world = new_world(source={"files": files})
    world.write("a", [{"n": n, "text": f"text number {n}", "label": "guess"} for n in range(3)])
    truth(world, "n,label\n1,right\n")
    return world


def truth(world, text):
    (world.folder / "truth.csv").write_text(text)


def labels(world):
    return dict(world.set().sort("id").select("id", "label").iter_rows())


def asked(world, **join):
    files = {"paths": ["in/*.jsonl"], "id": "n", "join": {**JOIN, **join}}
    world.change(source={"files": files})


def test_what_the_file_says_goes_before_what_the_record_says(world):
    refresh(world.path())
    assert labels(world) == {0: "guess", 1: "right", 2: "guess"}


def test_ground_truth_that_arrives_late_changes_its_rows_alone(world):
    first = refresh(world.path())
    assert not refresh(world.path()).new
    truth(world, "n,label\n1,right\n2,wrong\n9,unknown\n")
    found = refresh(world.path())
    assert (first.version, found.version) == (0, 1)
    runs = pl.read_delta(str(world.folder / "out/set")).sort("id")["run_id"].to_list()
    assert runs == [first.run_id, first.run_id, found.run_id]
    assert labels(world) == {0: "guess", 1: "right", 2: "wrong"}
    assert world.set().equals(world.full())


def test_ground_truth_that_arrives_late_holds_for_rows_whose_input_is_gone(world):
    world.write("b", [{"n": 7, "text": "text number 7", "label": "guess"}])
    refresh(world.path())
    world.remove("a")
    assert labels(world) == {0: "guess", 1: "right", 2: "guess", 7: "guess"}
    truth(world, "n,label,who\n2,wrong,ann\n")
    found = refresh(world.path())
    assert labels(world) == {0: "guess", 1: "right", 2: "wrong", 7: "guess"}
    assert world.set().filter(id=2)["who"].to_list() == ["ann"]
    assert found.version == 1
    again = refresh(world.path())
    assert (again.new, again.version) == (False, 1)
    truth(world, "n,label,who\n2,wrong,ann\n0,right,bob\n")
    assert refresh(world.path()).version == 2
    assert labels(world) == {0: "right", 1: "right", 2: "wrong", 7: "guess"}


def test_new_rows_meet_what_is_known_already(world):
    truth(world, "n,label\n7,right\n")
    refresh(world.path())
    world.write("b", [{"n": 7, "text": "text number 7", "label": None}])
    found = refresh(world.path())
    assert found.rows.read == 1
    assert labels(world)[7] == "right"
    assert world.set().equals(world.full())


def test_columns_of_its_own_and_another_name_of_the_id(world):
    truth(world, "key,stars,who\n1,5,ann\n2,,bob\n")
    asked(world, id="key")
    curate(world.path())
    rows = world.set().sort("id")
    assert rows["stars"].to_list() == [None, 5, None]
    assert rows["who"].to_list() == [None, "ann", "bob"]
    asked(world, id="key", columns=["who"])
    curate(world.path())
    assert "stars" not in world.set().columns


def test_ids_are_equal_whatever_their_type(world):
    (world.folder / "truth.jsonl").write_text('{"n": "1", "label": "right"}\n{"n": 2.0}\n')
    asked(world, path="truth.jsonl")
    curate(world.path())
    assert world.set().sort("id")["label"].to_list() == ["guess", "right", "guess"]


def test_a_label_may_come_from_the_file_alone(world):
    world.write("a", [{"n": n, "text": f"text number {n}"} for n in range(3)])
    refresh(world.path())
    assert labels(world) == {0: None, 1: "right", 2: None}


def test_a_frame_joins_as_a_file_does(world):
    rows = {"n": [0, 1], "text": ["the first text", "the second text"], "label": ["guess", "guess"]}
    curate(world.path(), pl.DataFrame(rows))
    assert labels(world) == {0: "guess", 1: "right"}


ids = st.integers(0, 5)
texts = st.sampled_from(["the first text", "the second text", "bad and long", "hi"])
truths = st.dictionaries(ids, st.sampled_from(["right", "wrong", ""]), min_size=1, max_size=4)
changes = st.one_of(
    st.tuples(st.sampled_from("abc"), st.dictionaries(ids, texts, min_size=1, max_size=4)),
    st.tuples(st.none(), truths),
)


@settings(
    max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.sampled_from(["append", "upsert"]), st.lists(changes, min_size=2, max_size=5))
def test_refreshes_equal_a_full_run_whatever_comes_when(new_world, merge, rounds):
    files = {"paths": ["in/*.jsonl"], "id": "n", "label": "label", "join": JOIN}
    world = new_world(source={"files": files}, refresh={"merge": merge, "removed": "delete"})
    world.write("a", [{"n": 0, "text": "the first text", "label": "guess"}])
    truth(world, "n,label\n9,right\n")
    for file, content in rounds:
        if file is None:
            truth(world, "n,label\n" + "".join(f"{n},{value}\n" for n, value in content.items()))
        else:
            apart = {"append": 10 * "abc".index(file), "upsert": 0}[merge]
            rows = [{"n": n + apart, "text": t, "label": None} for n, t in content.items()]
            world.write(file, rows)
        world.refresh()
        assert world.set().equals(world.full())


WRONG = [
    ("n,label\n1,a\n1,b\n", {}, "the id 1 comes twice"),
    ("m,label\n1,a\n", {}, "no column 'n'"),
    ("n,label\n1,a\n", {"columns": ["labels"]}, "no column 'labels'"),
    ("", {}, "the file is empty"),
    ("n,label\n1,a\n", {"path": "nothing.csv"}, "no such file"),
]


@pytest.mark.parametrize(("text", "join", "message"), WRONG)
def test_a_mistake_is_told(world, text, join, message):
    truth(world, text)
    asked(world, **join)
    with pytest.raises(SourceError, match=message):
        refresh(world.path())


def test_a_join_needs_an_id(world):
    world.change(source={"files": {"paths": ["in/*.jsonl"], "join": JOIN}})
    with pytest.raises(RecipeError, match="join needs 'id'"):
        refresh(world.path())


LOOKALIKES = [
    ("1790000000000000001", "1790000000000000100"),
    ("12e4567890", "34e9999999"),
    ("1000", "1e3"),
    ("1.1", "1.10"),
    ("9007199254740993", "9007199254740992"),
    ("7", "007"),
]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("ids", LOOKALIKES)
def test_a_row_gets_the_values_of_its_own_id_alone(form, ids, new_world):
    files = {"paths": [f"in/*.{form}"], "id": "id", "join": JOIN}
    world = new_world(source={"files": {**files, "label": "label"}})
    frame = pl.DataFrame(
        {"id": ids, "text": [f"text {i}" for i in ids], "label": ["guess", "guess"]}
    )
    (world.folder / "in").mkdir(exist_ok=True)
    path = world.folder / f"in/a.{form}"
    getattr(frame, {"csv": "write_csv", "jsonl": "write_ndjson"}.get(form, "write_parquet"))(path)
    truth(world, f"id,label\n{ids[0]},right\n")
    curate(world.path())
    found = world.set().select(pl.col("id").cast(pl.String), "label").rows()
    assert sorted(found) == sorted([(ids[0], "right"), (ids[1], "guess")])
