"""A selection takes the rows most like examples, and every row is accounted for."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import nullcontext

import polars as pl
import pytest

from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_one, explain_plan
from siftset.pipeline.engines.ray.shuffle import ShuffleResolver
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import RecipeError, SourceError
from siftset.trainer.models.embedded import is_fetched

SHIRTS = [f"the {c} shirt is {a} and fits {b}" for c in ("red", "blue", "old", "thin")
          for a in ("warm", "soft", "cheap") for b in ("well", "badly")]  # fmt: skip
FILMS = [f"a {a} film with {b} actors and a {c} plot" for a in ("slow", "fine", "grim")
         for b in ("young", "famous", "wooden") for c in ("thin", "clever")]  # fmt: skip
SELECT = {"rows": 12, "near": "examples.jsonl"}


class OneByOne:
    """Does what a cluster does, in this process."""

    def map_tasks(self, function, items):
        return [function(item) for item in items]


def write_examples(world, *texts, name="examples.jsonl"):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (world.folder / name).write_text(lines)


@pytest.fixture
def shop(new_world):
    """Sentences on shirts among sentences on films, and examples that are about clothes."""
    world = new_world(select=SELECT)
    write_examples(world, "these trousers are comfortable", "a jacket of soft wool that fits")
    rows = [{"text": text, "label": str(at % 3)} for at, text in enumerate([*SHIRTS, *FILMS])]
    random.Random(0).shuffle(rows)
    world.write("a", rows[:20])
    world.write("b", [*rows[20:], rows[0], {"text": "bad"}, {"text": None}])
    return world


def run(world, **options):
    return curate(world.path(), options=CurateOptions(**options))


def test_what_is_not_taken_is_rejected_and_the_balance_closes(shop):
    result = run(shop)
    kept = shop.set()
    assert kept.height == result.rows.kept == 12
    assert set(kept["text"]) <= set(SHIRTS)
    rejected = pl.read_parquet(result.report.parent / "rejected" / "*.parquet")
    clauses = Counter(rejected["clause"].cast(pl.String))
    assert clauses == {"select": len(SHIRTS) + len(FILMS) - 12, "long": 1}
    assert result.rows.rejected == rejected.height
    assert result.rows.duplicate == result.rows.quarantined == 1
    result.rows.check()
    assert set(rejected["row_id"]).isdisjoint(kept["row_id"])


@pytest.mark.parametrize("method", ["domain", "round_robin"])
@pytest.mark.parametrize("per", [None, "label"])
def test_the_same_rows_in_any_order_of_files_and_examples(shop, method, per):
    shop.change(select={**SELECT, "method": method, "per": per})
    expected = shop.full()
    paths = ["in/b.jsonl", "in/a.jsonl"]
    shop.change(source={"files": {"paths": paths}}, seed=0)
    write_examples(shop, "a jacket of soft wool that fits", "these trousers are comfortable")
    texts = [sorted(found["text"]) for found in (expected, shop.full())]
    assert texts[0] == texts[1]
    if per == "label":
        assert set(Counter(expected["label"]).values()) == {4}


def test_a_second_run_is_none_until_the_examples_change(shop):
    assert run(shop).new
    assert not run(shop).new
    write_examples(shop, "a jacket of soft wool that fits", "these trousers are comfortable")
    assert not run(shop).new
    write_examples(shop, "a film about a war")
    assert run(shop).new
    assert set(shop.set()["text"]) <= set(FILMS)


def test_fewer_rows_than_asked_are_all_taken(shop):
    shop.change(select={**SELECT, "rows": 1_000})
    result = run(shop)
    assert result.rows.kept == len(SHIRTS) + len(FILMS)
    assert any("1,000" in note for note in result.notes)


def test_labels_that_a_selection_tilts_are_told(shop):
    shop.remove("b")
    kinds = (("wear", SHIRTS), ("see", FILMS))
    shop.write("a", [{"text": text, "label": kind} for kind, texts in kinds for text in texts])
    shop.change(select={**SELECT, "rows": 20})
    result = run(shop)
    (said,) = [note for note in result.notes if "select" in note]
    assert "95.0% of the selected rows have the label wear, and 57.1% of all." in said
    metrics = read_metrics(result.report.parent / METRICS)
    assert [(one.name, one.rows, one.taken) for one in metrics.selection.labels] == [
        ("see", len(FILMS), 1), ("wear", len(SHIRTS), 19),
    ]  # fmt: skip
    shop.change(select={**SELECT, "rows": 20, "per": "label"})
    assert not any("select" in note for note in run(shop).notes)


def test_rows_without_a_class_are_not_taken(shop):
    shop.write("c", [{"text": text.replace("shirt", "coat")} for text in SHIRTS])
    shop.change(select={**SELECT, "per": "label", "rows": 1_000})
    run(shop)
    assert not shop.set()["text"].str.contains("coat").any()


def test_records_without_rows_still_balance(shop):
    shop.change(record="none")
    result = run(shop)
    result.rows.check()
    assert not list((result.report.parent / "rejected").glob("unselected*"))


def test_many_machines_take_what_one_does(shop, monkeypatch):
    shop.change(select={**SELECT, "per": "label"})
    expected = run(shop)
    here = shop.set(), rejected_by(expected)

    def open_exchange(live, rows):
        return nullcontext(ShuffleResolver(OneByOne(), live.folder / "exchange", rows=7))

    monkeypatch.setattr("siftset.pipeline.commands.curate.open_resolver", open_exchange)
    again = run(shop, fresh_set=True)
    assert shop.set().equals(here[0])
    assert rejected_by(again) == here[1]
    assert again.rows == expected.rows


def rejected_by(result):
    rows = pl.read_parquet(result.report.parent / "rejected" / "*.parquet")
    return sorted(rows.select("row_id", pl.col("clause").cast(pl.String), "text").rows())


@pytest.mark.parametrize("method", ["domain", "round_robin"])
def test_minilm_takes_of_what_the_static_vectors_propose(shop, method):
    pytest.importorskip("torch")
    if not is_fetched():
        pytest.skip("the embedded model is not in the cache")
    shop.change(select={**SELECT, "rows": 4, "method": method, "model": "minilm"})
    first = run(shop)
    assert set(shop.set()["text"]) <= set(SHIRTS)
    manifest = json.loads((first.report.parent / "manifest.json").read_text())
    assert manifest["select"]["model"] == "minilm"
    chosen = shop.set()
    shop.change(source={"files": {"paths": ["in/b.jsonl", "in/a.jsonl"]}})
    assert sorted(shop.full()["text"]) == sorted(chosen["text"])


def test_one_class_and_as_many_classes_as_rows(shop):
    shop.write("b", [{"text": text, "label": "same"} for text in SHIRTS])
    shop.remove("a")
    shop.change(select={**SELECT, "per": "label", "rows": 3})
    assert run(shop).rows.kept == 3
    shop.write("b", [{"text": text, "label": text} for text in SHIRTS])
    shop.change(select={**SELECT, "per": "label", "rows": len(SHIRTS)})
    assert run(shop).rows.kept == len(SHIRTS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("examples.csv", "n,text\n1,a jacket of soft wool\n2,\n"),
        ("examples.txt", "a jacket of soft wool\n\n"),
        ("examples.parquet", None),
    ],
)
def test_examples_are_read_in_other_formats(shop, name, content):
    if content is None:
        pl.DataFrame({"text": ["a jacket of soft wool", None]}).write_parquet(shop.folder / name)
    else:
        (shop.folder / name).write_text(content)
    shop.change(select={**SELECT, "near": name})
    manifest = json.loads((run(shop).report.parent / "manifest.json").read_text())
    assert manifest["select"]["examples"] == 1


@pytest.mark.parametrize(
    ("select", "content", "said"),
    [
        ({}, "", "holds no text"),
        ({}, '{"text": null}\n{"text": "  "}\n', "holds no text"),
        ({}, '{"words": "a"}\n', "has no column 'text', only words"),
        ({}, '{"text": "a"}\n{"text', "cannot be read"),
        ({}, '{"text": "\\u2764\\u2764"}', "holds a word that the static model knows"),
        ({"near": "gone.jsonl"}, "", "is not there or of no known kind"),
        ({"rows": 0}, "", "greater than 0"),
        ({"per": "colour"}, '{"text": "a"}', "the source has no column 'colour'"),
        ({"per": "text"}, '{"text": "a"}', "has 42 values, expected at most 12"),
        ({"near": None}, "", "select.near"),
        ({"nearest": 1}, "", "did you mean 'near'"),
    ],
)
def test_what_cannot_be_selected_is_said_in_one_line(shop, select, content, said):
    (shop.folder / "examples.jsonl").write_text(content)
    shop.change(select={**SELECT, **select})
    with pytest.raises((RecipeError, SourceError)) as caught:
        run(shop)
    assert said in str(caught.value)
    assert not (shop.folder / "out/set").exists()


def test_rows_without_a_text_are_the_least_alike(shop):
    shop.remove("b")
    shop.write("a", [{"text": None, "label": at} for at in range(20)] + [{"text": "a shirt"}])
    shop.change(select={**SELECT, "rows": 5}, integrity={}, keep="known")
    shop.change(signals={"known": {"number": {"column": "label", "min": 0}}})
    shop.write("b", [{"text": "a coat", "label": 1}])
    run(shop)
    assert shop.set()["text"].null_count() == 4
    assert "a coat" in shop.set()["text"]


def test_a_signal_may_not_have_the_name_of_the_clause(shop):
    shop.change(signals={"select": {"length": {"min": 5}}}, keep="select")
    with pytest.raises(RecipeError, match="give the signal another one"):
        run(shop)


def test_every_answer_about_a_row_names_the_selection(shop):
    result = run(shop)
    folder = result.report.parent
    rejected = pl.read_parquet(folder / "rejected" / "*.parquet")
    lost = rejected.filter(pl.col("clause").cast(pl.String) == "select")
    told = explain_one(shop.path(), lost["row_id"][0])
    assert "rejected, because of  select  (other rows are more like the examples)" in told.text
    assert (
        "rows most like the texts of examples.jsonl (examples 2, method domain"
        in explain_plan(shop.path()).text
    )
    assert any(line.startswith("select    12 rows") for line in check_recipe(shop.path()).lines())
    metrics = read_metrics(folder / METRICS)
    assert metrics is not None
    found = metrics.selection
    assert (found.asked, found.rows, found.taken) == (12, len(SHIRTS) + len(FILMS), 12)
    assert found.likeness_taken > found.likeness_all
    assert metrics.duplicates.rows == len(SHIRTS) + len(FILMS) + 1, "all that the formula kept"
    said = {one.why for one in metrics.samples["rejected"]}
    assert "other rows are more like the examples" in said
    assert "select does not hold" not in said
    page = result.report.read_text()
    assert "The rows most like the texts of examples.jsonl (2), by" in page
    assert "Training on all of them is the alternative" in page
