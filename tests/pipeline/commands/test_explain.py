"""One row, found by its id or by the beginning that a page shows."""

from __future__ import annotations

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_one
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.schemas.errors import OutputError


@pytest.mark.parametrize("published", [True, False])
def test_the_beginning_of_an_id_will_do_where_it_is_the_only_one(new_world, published):
    world = new_world()
    world.texts("a", *[f"the text number {number}" for number in range(40)], "bad text")
    if published:
        world.refresh()
        row_id = world.set()["row_id"][0]
    else:
        made = world.full()
        row_id = made["row_id"][0]
    for begun in (row_id[:12], row_id):
        found = explain_one(world.path(), begun)
        assert found.facts["row"]["row_id"] == row_id
    ids = world.full()["row_id"].to_list()
    shared = next(digit for digit in "0123456789abcdef" if sum(i[0] == digit for i in ids) > 1)
    with pytest.raises(OutputError, match=rf"row {shared}: \d+ rows begin so .*more of its id"):
        explain_one(world.path(), shared)
    with pytest.raises(OutputError, match="row zz: neither the set"):
        explain_one(world.path(), "zz")


@pytest.mark.parametrize("published", [True, False])
def test_a_row_is_named_by_the_id_that_the_source_gives_it(new_world, published):
    world = new_world(source={"files": {"paths": ["in/*.jsonl"], "id": "key"}})
    texts = {7: "the seventh", 8: "the eighth", 9: "bad text"}
    world.write("a", [{"key": key, "text": text} for key, text in texts.items()])
    if published:
        world.refresh()
    for key, text in texts.items():
        assert explain_one(world.path(), str(key)).facts["row"]["text"] == text
    with pytest.raises(OutputError, match=r"row 11: neither the set.*the source's `id` column"):
        explain_one(world.path(), "11")


MINE = """
from siftset import signal

@signal
def calm(text: str) -> bool:
    return "!" not in text
"""


@pytest.fixture
def two_plans(new_world):
    """Runs of one recipe whose plans ask in another order, and what they read."""
    world = new_world(
        signals={"calm": {"python": "mine.py:calm"}, "long": {"length": {"min": 10}}},
        keep="calm & long", analysis="sample",
    )  # fmt: skip
    (world.folder / "mine.py").write_text(MINE)
    world.texts("a", "no!", "short", "a long shout!", *(f"text number {n}" for n in range(9)))
    found = {}
    for order in ("pinned", "auto"):  # of its own, a plan asks expressions before functions
        output = world.folder / order
        found[order] = curate(world.path(), overrides=[f"order={order}", f"output={output}"])
    return world, found


def test_what_rejected_a_row_is_the_same_whatever_the_plan_asked(two_plans) -> None:
    world, found = two_plans
    recorded, explained, counted, shown = {}, {}, {}, {}
    for order, result in found.items():
        rejected = pl.read_parquet(result.report.parent / "rejected" / "*.parquet").sort("text")
        recorded[order] = rejected["clause"].to_list()
        change = [f"order={order}", f"output={world.folder / order}"]
        explained[order] = [
            explain_one(world.path(), one, overrides=change) for one in rejected["row_id"]
        ]
        metrics = read_metrics(result.report.with_name(METRICS))
        counted[order] = metrics.funnel.clauses
        shown[order] = {one.row_id: one.why for one in metrics.samples["rejected"]}
    assert recorded == {"pinned": ["calm", "calm", "long"], "auto": ["calm", "long", "long"]}
    assert counted["pinned"] == counted["auto"] == {"calm": 2, "long": 1}
    assert shown["pinned"] == shown["auto"]
    told = {
        order: [one.facts["row"]["clause"] for one in some] for order, some in explained.items()
    }
    assert told["pinned"] == told["auto"] == ["calm", "calm", "long"]
    assert "rejected, because of  calm  (the first as written)" in explained["auto"][1].text


def test_a_clause_of_another_formula_or_a_lost_signal_is_called_what_it_is(two_plans) -> None:
    world, found = two_plans
    rejected = pl.read_parquet(found["auto"].report.parent / "rejected" / "*.parquet").sort("text")
    row_id, output = rejected["row_id"][1], f"output={world.folder / 'auto'}"
    text = explain_one(world.path(), row_id, overrides=[output, "keep=long"]).text
    assert "rejected, because of  long  (the first that the run asked)" in text
    (world.folder / "mine.py").unlink()
    text = explain_one(world.path(), row_id, overrides=[output]).text
    assert "rejected, because of  long  (the first that the run asked)" in text
