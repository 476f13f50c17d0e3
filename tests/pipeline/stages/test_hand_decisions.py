from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision, Undo
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.profile.history import read_metrics
from siftset.pipeline.run.job import load_job
from siftset.schemas.recipe.loading import load_recipe

TEXTS = ("good one", "good two", "bad three", "good one", None, "bad five")
ROWS = [{"id": str(n), "text": text, "label": "a"} for n, text in enumerate(TEXTS)]
SECTIONS = {
    "source": {"files": {"paths": ["in/*.jsonl"], "id": "id", "label": "label"}},
    "review": {},
}


def decide(world, number: str, decision: str, *, by: str = "anna", **more: object) -> Decision:
    """Decide about the row of an id as it reads now."""
    job = load_job(world.path())
    rows = job.sources.frame()
    row = rows.filter(pl.col("id") == number)
    seen = hash_records(row, job.columns)[0]
    given = {"row_id": row["row_id"][0], "seen": seen, "decision": decision, "by": by, **more}
    made = Decision.model_validate(given)
    append_events(world.folder / "review" / f"{by}.jsonl", [made])
    return made


@pytest.fixture
def world(new_world):
    made = new_world(**SECTIONS)
    made.write("a", ROWS)
    return made


def kept(world) -> dict[str, tuple[str, str]]:
    rows = pl.read_parquet(latest(world) / "*.parquet").sort("id")
    return {row["id"]: (row["text"], row["label"]) for row in rows.iter_rows(named=True)}


def latest(world) -> Path:
    return max((world.folder / "out/versions").iterdir(), key=lambda path: int(path.name))


def run_folder(result) -> Path:
    return result.report.parent


def test_without_decisions_nothing_changes(world):
    before = curate(world.path())
    assert set(kept(world)) == {"0", "1"}
    assert not curate(world.path()).new
    decide(world, "1", "skip")
    assert not curate(world.path()).new
    assert before.rows.duplicate == 1


def test_every_decision_holds_and_the_balance_closes(world):
    decide(world, "0", "drop")
    decide(world, "1", "relabel", label="b")
    decide(world, "2", "keep")
    decide(world, "5", "edit", text="a good five")
    result = curate(world.path())
    assert kept(world) == {
        "1": ("good two", "b"),
        "2": ("bad three", "a"),
        "5": ("a good five", "a"),
    }
    # row 3 repeats row 0, which was dropped: it does not take its place
    assert result.rows.to_json() == {
        "read": 6, "kept": 3, "rejected": 1, "quarantined": 1, "duplicate": 1, "unreadable": 0
    }  # fmt: skip
    rejected = pl.read_parquet(run_folder(result) / "rejected/*.parquet")
    assert rejected.select("id", pl.col("clause").cast(pl.String)).rows() == [("0", "review")]
    duplicates = pl.read_parquet(run_folder(result) / "duplicates/*.parquet")
    assert duplicates.select("id", "kind").rows() == [("3", "review")]


def test_quarantine_and_duplicates_win_over_keep(world):
    decide(world, "3", "keep")
    decide(world, "4", "keep")
    result = curate(world.path())
    assert set(kept(world)) == {"0", "1"}
    assert (result.rows.quarantined, result.rows.duplicate) == (1, 1)


def test_an_edit_releases_a_row_from_quarantine(world):
    decide(world, "4", "edit", text="now good")
    assert curate(world.path()).rows.quarantined == 0
    assert kept(world)["4"] == ("now good", "a")


def test_the_summary_and_the_pages_say_what_was_decided_by_hand(world, run):
    decide(world, "0", "drop")
    decide(world, "2", "keep")
    decide(world, "1", "keep")
    done = run("curate", world.path())
    assert "by hand       2 kept, 1 dropped" in done.stdout
    report = run("report", world.path())
    assert "2 kept, 1 dropped" in report.stdout
    assert "by hand: 2 kept, 1 dropped" in run("history", world.path()).stdout
    assert "2 kept, 1 dropped by hand" in (world.folder / "out/index.html").read_text("utf-8")
    page = max((world.folder / "out/runs").iterdir()).joinpath("report.html").read_text("utf-8")
    assert "By hand" in page
    assert "whatever the formula says" in page
    assert "dropped by hand" in page  # why a rejected row of the samples is rejected


def test_stale_orphaned_and_disputed_are_counted_and_told(world):
    decide(world, "0", "drop")
    decide(world, "1", "drop")
    decide(world, "1", "keep", by="ben")
    decide(world, "2", "keep")
    decide(world, "5", "skip")
    rows = [{**row, "text": "bad changed"} if row["id"] == "2" else row for row in ROWS[1:]]
    world.write("a", rows)
    result = curate(world.path())
    assert result.by_hand == {"stale": 1, "orphaned": 1, "disputed": 1}
    assert set(kept(world)) == {"1", "3"}
    assert (
        sum("disagree about 1 row" in note or "1 row has changed" in note for note in result.notes)
        == 2
    )
    # a repeated run says the same of the version that stands
    assert curate(world.path()).by_hand == result.by_hand


def test_rows_drawn_at_random_say_how_right_the_set_is(world):
    first = curate(world.path())
    for number, verb in (("0", "keep"), ("1", "drop")):
        decide(world, number, verb, queue="random_kept", run_id=first.run_id)
    decide(world, "2", "drop", queue="random_rejected", run_id=first.run_id)
    decide(world, "5", "keep", queue="random_rejected", run_id=first.run_id, how="bulk")
    metrics = read_metrics(run_folder(curate(world.path())) / "metrics.json")
    assert metrics is not None
    assert metrics.review is not None
    right, rejected = metrics.review.kept_right, metrics.review.rejected_right
    assert right is not None
    assert rejected is not None
    assert (right.right, right.judged, right.reviewers) == (1, 2, ("anna",))
    assert 0 <= right.low < 0.5 < right.high <= 1
    assert (rejected.right, rejected.judged) == (1, 1)  # bulk does not count
    # under another formula these rows were not drawn from what is kept
    other = curate(world.path(), overrides=["keep=long"])
    metrics = read_metrics(run_folder(other) / "metrics.json")
    assert metrics is not None
    assert metrics.review is not None
    assert metrics.review.kept_right is None


def test_explain_says_who_decided_what_when_and_why(world, run):
    made = decide(world, "0", "drop", reason="spam")
    curate(world.path())
    said = run("explain", world.path(), "--row", made.row_id).stdout
    assert "rejected, because of  review  (dropped by hand)" in said
    assert f"by hand: drop: anna, {made.at:%Y-%m-%d %H:%M} UTC: spam" in said
    assert "by hand: it holds" in said
    world.write("a", [{**ROWS[0], "text": "good other"}])
    assert "stale" in run("explain", world.path(), "--row", made.row_id).stdout
    world.write("a", ROWS[1:])
    assert "orphaned" in run("explain", world.path(), "--row", made.row_id).stdout
    append_events(world.folder / "review/anna.jsonl", [Undo(undo=(made.event,), by="ben")])
    said = run("explain", world.path(), "--row", made.row_id).stdout
    assert "(undone by ben)" in said
    assert "by hand: undone" in said


def test_a_plan_is_out_of_date_once_somebody_decides(world, run):
    curate(world.path())
    decide(world, "0", "drop")
    assert run("plan", world.path()).exit_code == 0
    decide(world, "1", "drop")
    done = run("apply", world.path())
    assert done.exit_code == 2
    assert "the decisions changed" in done.stderr
    assert run("plan", world.path()).exit_code == 0
    assert run("apply", world.path()).exit_code == 0
    assert set(kept(world)) == set()  # row 3 repeats row 0


@pytest.mark.parametrize(
    ("verb", "more", "said"),
    [
        ("relabel", {"label": ["a", "b"]}, "relabelled with 2 labels"),
        ("relabel", {"label": "many"}, "no Int64, the type of the column 'label'"),
    ],
)
def test_a_label_that_no_row_can_have_is_one_line(world, run, verb, more, said):
    world.write("a", [{**row, "label": 3} for row in ROWS])
    decide(world, "0", verb, **more)
    done = run("curate", world.path())
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_a_label_that_no_record_has_is_told(world):
    decide(world, "0", "relabel", label="a")
    decide(world, "1", "relabel", label="postive")
    notes = curate(world.path()).notes
    assert [note for note in notes if "people alone gave" in note] == [
        "`postive` is a label that people alone gave, to 1 row. Look whether it is misspelt"
    ]


def test_a_difference_names_the_rows_that_people_moved(world, run, told):
    curate(world.path())
    made = decide(world, "0", "drop")
    decide(world, "1", "relabel", label="b")
    decide(world, "2", "keep")
    plan = told("plan", world.path())["plan"]
    found = told("explain", world.path(), "--diff")
    moved = {(one["kind"], one["reason"]): one["rows"] for one in found["reasons"]}
    assert moved == {("removed", "by hand"): 1, ("changed", "by hand"): 1, ("added", "by hand"): 1}
    assert told("apply", world.path())["version"] == 1
    assert plan["changes"]["removed"] == 1
    append_events(world.folder / "review/anna.jsonl", [Undo(undo=(made.event,), by="anna")])
    (one,) = told("explain", world.path(), "--diff")["reasons"]
    assert (one["kind"], one["reason"], one["rows"]) == ("added", "by hand", 1)


WORDS = ("good one", "good two", "bad three", "bad four", None)
ONE = st.tuples(
    st.integers(0, 7),
    st.sampled_from(["keep", "drop", "relabel", "edit", "skip"]),
    st.sampled_from(["anna", "ben"]),
    st.sampled_from(WORDS[:4]),
    st.booleans(),
)


@settings(max_examples=6)
@given(
    said=st.lists(ONE, max_size=12),
    texts=st.lists(st.sampled_from(WORDS), min_size=8, max_size=8),
)
def test_the_balance_closes_whatever_was_decided(new_world, said, texts):
    world = new_world(**SECTIONS)
    rows = [{"id": str(n), "text": text, "label": "a"} for n, text in enumerate(texts)]
    world.write("a", rows)
    job = load_job(world.path())
    frame = job.sources.frame()
    seen = hash_records(frame, job.read_schema)
    for number, verb, by, text, is_fresh in said:
        more = {"relabel": {"label": "b"}, "edit": {"text": text}}.get(verb, {})
        fields = {"row_id": frame["row_id"][number], "decision": verb, "by": by, **more,
                 "seen": seen[number] if is_fresh else "0" * 16}  # fmt: skip
        append_events(world.folder / "review" / f"{by}.jsonl", [Decision.model_validate(fields)])
    result = curate(world.path())
    counts = result.rows.to_json()
    assert counts.pop("read") == 8 == sum(counts.values())
    folder = run_folder(result)
    for name, place in (("rejected", "rejected"), ("quarantined", "quarantine")):
        assert pl.read_parquet(folder / place / "*.parquet").height == counts[name]
    # what holds is in the set as it was decided, or repeats another row, or broke a rule
    log = open_log(load_recipe(world.path()))
    held = pl.read_delta(str(world.folder / "out/set"))
    kept_ids = set(held["row_id"])
    for row_id, now in zip(frame["row_id"], seen, strict=True):
        found = log.standing(row_id, now)
        if found is None or found.state != "applied" or found.decision is None:
            continue
        if found.decision.decision == "drop":
            assert row_id not in kept_ids
        if found.decision.text is not None and row_id in kept_ids:
            assert held.filter(row_id=row_id)["text"].to_list() == [found.decision.text]
