"""Labels that signals vote on, from the recipe to the set and its pages."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from siftset.pipeline.commands.explain import explain_recipe
from siftset.pipeline.commands.predict import predict_texts
from siftset.pipeline.commands.train import train_recipe
from siftset.pipeline.engines.ray.failed_shard import quarantine_shard
from siftset.pipeline.engines.shard_results import ShardCost, ShardRecord, load_record, store_record
from siftset.pipeline.run.job import load_job
from siftset.pipeline.run.row_sample import SeededSample
from siftset.pipeline.stages.process_shard import ShardContext, process_shard
from siftset.schemas.errors import RecipeError

VOTING = {
    "source": {"files": {"paths": ["in/*.jsonl"]}},
    "signals": {
        "long": {"length": {"min": 5}},
        "great": {"keyword": {"words": ["great"]}},
        "good": {"keyword": {"words": ["good"]}},
        "bad": {"keyword": {"words": ["bad"]}},
    },
    "label": {"votes": {"pos": ["great", "good"], "neg": ["bad"]}, "known": "gold"},
    "keep": "long & ~is_null(label)",
    "split": {"stratify": "label"},
    "analysis": "sample",
}


def write(world, name: str, *texts: str) -> None:
    world.write(name, [{"text": text, "gold": "neg" if "bad" in text else "pos"} for text in texts])


@pytest.fixture
def voted(new_world):
    world = new_world(**VOTING)
    write(world, "a", *(f"great good thing {n}" for n in range(10)), "good and bad", "nothing here")
    write(world, "b", *(f"a bad thing {n}" for n in range(6)), "great but bad and good", "good <b>")
    return world


def metrics_of(folder: Path) -> dict:
    paths = sorted((folder / "out/runs").glob("*/metrics.json"))
    return json.loads(paths[-1].read_text())["votes"]


def test_labels_flow_into_set_split_formula_and_pages(voted):
    result = voted.refresh()
    rows = voted.set()
    # a tie and a row without votes have no label, which the formula asks for
    assert dict(rows["label"].value_counts().iter_rows()) == {"pos": 12, "neg": 6}
    assert result.rows.rejected == 2
    assert rows.filter(pl.col("text").str.contains("but"))["label_agreement"].item() == 2 / 3
    found = metrics_of(voted.folder)
    assert (found["rows"], found["tied"], found["silent"], found["disputed"]) == (20, 1, 1, 2)
    page = result.report.read_text()
    assert "Votes on labels" in page
    assert "94.4 %" in page  # 17 of 18 labels are the known one
    assert "worse than chance" not in page
    row = rows.filter(pl.col("text").str.contains("but"))["row_id"].item()
    told = explain_recipe(voted.path(), row).text
    assert "label: pos, votes: neg by bad; pos by good, great (agreement 0.67)" in told
    plan = explain_recipe(voted.path())
    assert plan.facts["votes"]["classes"] == found["classes"]
    assert "94.4 %" in plan.text


def test_a_refresh_gives_what_a_full_run_gives(voted):
    voted.change(split={})  # where strata meet is fixed once, which a full run elsewhere forgets
    voted.refresh()
    write(voted, "c", "great new thing", "bad new thing", "good and bad again")
    assert voted.refresh().rows.read == 3
    assert voted.set().equals(voted.full())
    # another voter decides every row anew
    votes = {"pos": ["great"], "neg": ["bad"]}
    voted.change(label={**VOTING["label"], "votes": votes})
    assert voted.refresh().rows.read == 23
    assert voted.set().equals(voted.full())
    assert voted.set().filter(pl.col("text") == "good and bad")["label"].item() == "neg"
    # the order in which voters are written decides nothing
    voted.change(label={**VOTING["label"], "votes": dict(reversed(votes.items()))})
    assert voted.refresh().new is False or voted.set().equals(voted.full())


def test_rows_whose_input_is_gone_vote_again(new_world):
    world = new_world(**VOTING, refresh={"removed": "keep"})
    write(world, "a", "great good thing", "a bad thing")
    write(world, "b", "good other thing")
    world.refresh()
    world.remove("a")
    world.change(label={"votes": {"fine": ["great", "good"], "poor": ["bad"]}}, split={})
    world.refresh()
    assert sorted(world.set()["label"]) == ["fine", "fine", "poor"]


def test_shards_travel_with_their_votes_and_fail_without_labels(voted, tmp_path):
    voted.path()
    job = load_job(voted.folder / "recipe.json")
    context = ShardContext(
        decider=job.decider, rules=job.rules, output_rules=job.output_rules, columns=job.columns,
        split=job.split(), official_split=False, record="full", content_key=job.content_key(),
        track_ids=False, analyse=False, keep_input=True, folder=tmp_path, key=job.key,
        watch=lambda: SeededSample(100), stop=threading.Event(), advance=lambda done: None,
        tally=lambda balance: None, voters=job.voters, strata=job.strata(),
    )  # fmt: skip
    done = process_shard(job.shards[0], 0, context)
    assert done.votes is not None
    assert done.votes.rows == 12
    record = ShardRecord(done, job.decider.take_statistics(), ShardCost("n", 12, 1, 1, 1))
    store_record(record, tmp_path, tmp_path.parent / "kept")
    found = load_record(tmp_path.parent / "kept")
    assert found is not None
    assert found.result.votes == done.votes
    failed = quarantine_shard(job.shards[1], 1, context, "no node did it")
    aside = pl.read_parquet([part.path for part in failed.parts["quarantine"]])
    assert aside["label"].null_count() == aside.height == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": {"votes": {"pos": ["great"]}}}, "expected at least 2 classes, found pos"),
        ({"label": {"votes": {"pos": ["great"], "neg": []}}}, "no signal votes for it"),
        ({"label": {"votes": {"pos": ["wow"], "neg": ["bad"]}}}, "no signal is called 'wow'"),
        ({"source": {"files": {"paths": ["in/*.jsonl"], "label": "gold"}},
          "label": {"votes": {"pos": ["great"], "neg": ["bad"]}}},
         "has a column 'label' already"),
    ],
)  # fmt: skip
def test_what_cannot_be_voted_is_one_line(voted, change, said):
    voted.change(**change)
    with pytest.raises(RecipeError, match=said) as caught:
        load_job(voted.path())
    assert str(caught.value).count("\n") <= 1


@pytest.fixture
def cut(new_world):
    """Texts that vote, a third of which votes against what the others of its kind say."""
    world = new_world(**{**VOTING, "split": {}, "analysis": "off"})
    world.change(label={**VOTING["label"], "keep_share": 0.5})
    write(world, "a", *(f"great {thing} that I love" for thing in ("shoe", "film", "hat", "meal")))
    write(
        world, "b", *(f"bad {thing} that broke" for thing in ("shoe", "film", "hat", "meal", "pen"))
    )
    write(
        world, "c", "good engine oil", "bad shoe that I love", "nothing to say", "great shoe broke"
    )
    return world


def test_the_share_of_each_class_stays_that_the_texts_nearby_agree_with(cut):
    result = cut.refresh()
    rows = cut.set()
    found = json.loads((result.report.parent / "metrics.json").read_text())["label_cut"]
    # of six and six; the row without a label is rejected by the formula
    assert {one["label"]: (one["rows"], one["taken"]) for one in found["classes"]} == {
        "pos": (6, 3),
        "neg": (6, 3),
    }
    assert dict(rows["label"].value_counts().iter_rows()) == {"pos": 3, "neg": 3}
    assert "good engine oil" not in rows["text"]
    assert "bad shoe that I love" not in rows["text"]
    assert (result.rows.kept, result.rows.rejected) == (6, 7)
    rejected = pl.concat(
        [
            pl.read_parquet(path).select("text", clause=pl.col("clause").cast(pl.String))
            for path in (result.report.parent / "rejected").glob("*.parquet")
        ]
    )
    assert rejected["clause"].value_counts(sort=True).rows()[0] == ("label.keep_share", 6)
    assert "Labels that the texts nearby agree with" in result.report.read_text()
    oil = pl.scan_parquet(result.report.parent / "rejected/*.parquet")
    row = oil.filter(pl.col("text") == "good engine oil").collect()["row_id"].item()
    told = explain_recipe(cut.path(), row).text
    assert "label.keep_share  (the texts nearby agree more with other rows of its label)" in told
    assert "label: pos, votes: pos by good (agreement 1.00)" in told


def test_a_refresh_cuts_as_a_full_run_does(cut):
    cut.refresh()
    before = cut.set()
    assert before.equals(cut.full())
    # new rows change what stays of the old ones
    write(cut, "d", *(f"good {thing} oil" for thing in ("fry", "olive", "lamp", "fish")))
    cut.refresh()
    assert cut.set().equals(cut.full())
    assert set(before["text"]) - set(cut.set()["text"])
    cut.change(refresh={"removed": "delete"})
    cut.remove("a")
    cut.refresh()
    assert cut.set().equals(cut.full())
    cut.change(label={**VOTING["label"], "keep_share": 0.7})
    cut.refresh()
    assert cut.set().equals(cut.full())
    assert cut.set().height == sum(math.ceil(0.7 * n) for n in (6, 6))


def test_rows_are_cut_before_a_selection_takes_of_them(cut):
    (cut.folder / "like.jsonl").write_text('{"text": "a film that broke"}\n')
    cut.change(select={"rows": 2, "near": "like.jsonl", "method": "round_robin"})
    result = cut.refresh()
    assert "good engine oil" not in cut.set()["text"]
    assert (result.rows.kept, result.rows.rejected) == (2, 11)
    assert cut.set().equals(cut.full())
    clauses = pl.read_parquet(result.report.parent / "rejected/*.parquet")["clause"]
    assert dict(clauses.cast(pl.String).value_counts().iter_rows()) == {
        "~is_null(label)": 1,
        "label.keep_share": 6,
        "select": 4,
    }


def test_known_labels_say_what_the_votes_are_worth(new_world):
    pytest.importorskip("sklearn")
    world = new_world(**{**VOTING, "split": {}})
    things = ("shoe", "film", "hat", "meal", "pen", "lamp", "book", "coat", "road", "song")
    rows = [
        {"text": f"{word} {one} with {two} number {n}", "gold": label}
        for word, label in (("great", "pos"), ("bad", "neg"))
        for n, (one, two) in enumerate((a, b) for a in things for b in things)
    ]
    world.write("a", rows[:-1])
    result = world.refresh()
    assert "label_worth" not in json.loads((result.report.parent / "metrics.json").read_text())
    world.write("b", [*rows[-1:], {**rows[0], "text": "a bad great good thing"}])
    result = world.refresh()
    found = json.loads((result.report.parent / "metrics.json").read_text())["label_worth"]
    assert found["known"] + found["questions"] == 201
    assert found["worth"] is not None
    assert "known ones" in result.report.read_text()


def test_golden_rows_measure_the_votes(new_world):
    pytest.importorskip("sklearn")
    label = {"votes": VOTING["label"]["votes"]}
    compare = {"golden": "golden.jsonl"}
    train = {"task": "classification", "model": "minilm", "labels": {"1": "pos", "0": "neg"}}
    world = new_world(**{**VOTING, "label": label, "compare": compare, "train": train})
    world.write("a", [{"text": f"{w} thing {n}"} for w in ("great", "bad") for n in range(30)])
    # a file that is not there is told, and nothing else is lost
    result = world.refresh()
    found = json.loads((result.report.parent / "metrics.json").read_text())
    assert "golden_votes" not in found
    assert "label_worth" not in found
    assert [one for one in found["warnings"] if "golden rows" in one and "golden.jsonl" in one]
    words = [("great", "1")] * 100 + [("good", "0")] * 10 + [("bad", "0")] * 90 + [("odd", "1")] * 5
    rows = [{"text": f"{w} number {n}", "label": y} for n, (w, y) in enumerate(words)]
    (world.folder / "golden.jsonl").write_text("\n".join(map(json.dumps, rows)))
    world.write("b", [{"text": "a great new thing"}])
    result = world.refresh()
    found = json.loads((result.report.parent / "metrics.json").read_text())
    votes = found["golden_votes"]
    assert (votes["rows"], votes["known"], votes["silent"]) == (205, 205, 5)
    told = {one["voter"]: (one["votes"], one["known"], one["right"]) for one in votes["voters"]}
    assert told == {"great": (100, 100, 100), "good": (10, 10, 0), "bad": (90, 90, 90)}
    assert found["votes"]["known"] == 0
    worth = found["label_worth"]
    assert worth["of"] == "golden.jsonl"
    assert worth["known"] + worth["questions"] == 205
    page = result.report.read_text()
    assert "Votes on golden rows" in page
    assert "right on 0.0 % (0.0 to 27.8) of 10 golden rows: worse than chance" in page
    assert "known labels are those of golden.jsonl" in page


def test_golden_rows_without_what_voters_read_are_a_warning(new_world):
    voting = {**VOTING, "label": {"votes": {"pos": ["great"], "neg": ["low"]}}}
    signals = {**VOTING["signals"], "low": {"number": {"column": "stars", "max": 2}}}
    world = new_world(**{**voting, "signals": signals, "compare": {"golden": "golden.csv"}})
    (world.folder / "golden.csv").write_text("text,label\ngreat,pos\n")
    world.write("a", [{"text": "great thing", "stars": 5}, {"text": "some thing", "stars": 1}])
    result = world.refresh()
    found = json.loads((result.report.parent / "metrics.json").read_text())
    assert "golden_votes" not in found
    assert [one for one in found["warnings"] if "golden rows" in one and "stars" in one]


@pytest.mark.slow
def test_a_classifier_trained_on_votes_beats_the_majority(new_world, tiny_encoder):
    pytest.importorskip("accelerate")
    draw = np.random.default_rng(4)
    words = {"pos": ["good", "great", "strong"], "neg": ["soft", "warm", "light"]}

    def make_rows(count: int) -> list[dict[str, str]]:
        # two of a class's three words: what no voter knows is learned from its company
        labels = ["pos" if one else "neg" for one in draw.random(count) < 0.6]
        return [
            {
                "text": " ".join(draw.permutation(["the", "hat", *draw.choice(words[y], 2, False)]))
                + f" n{n}",
                "gold": y,
            }
            for n, y in enumerate(labels)
        ]

    votes = {
        "signals": {
            **{w: {"keyword": {"words": [w]}} for w in ("good", "great", "soft", "warm")},
            "long": {"length": {"min": 5}},
        },
        "label": {"votes": {"pos": ["good", "great"], "neg": ["soft", "warm"]}, "known": "gold"},
    }
    train = {"task": "classification", "model": str(tiny_encoder), "epochs": 4, "max_length": 16,
             "learning_rate": 5e-3, "batch_size": 16}  # fmt: skip
    world = new_world(**{**VOTING, **votes, "train": train, "seed": 3})
    world.write("a", make_rows(240))
    world.refresh()
    model = train_recipe(world.path()).model
    asked = make_rows(120)
    golds = [row["gold"] for row in asked]
    answers = predict_texts(model, [row["text"] for row in asked]).answers
    right = sum(answer["label"] == gold for answer, gold in zip(answers, golds, strict=True))
    assert right > golds.count("pos") + 24
