"""What becomes of decisions when rows, files and minds change."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.review.open import open_review
from siftset.pipeline.review.requests import Ask


def _set(recipe: Path) -> dict[str, tuple[str, str]]:
    rows = pl.read_delta(str(recipe.parent / "out" / "set"))
    return {one["id"]: (one["text"], one["label"]) for one in rows.iter_rows(named=True)}


def _decide(recipe: Path) -> None:
    session = open_review(recipe, by="mara")
    session.decide(Ask(row=1, decision="drop"))
    session.decide(Ask(row=11, decision="relabel", label="pos"))
    session.decide(Ask(row=60, decision="edit", text="A film that fits."))
    session.decide(Ask(row=62, decision="keep"))


def test_curate_applies_what_the_page_wrote_and_the_page_shows_it(recipe: Path) -> None:
    _decide(recipe)
    curate(recipe)
    rows = _set(recipe)
    assert "r1" not in rows
    assert "again" not in rows  # an exact duplicate goes with the row it repeats
    assert rows["r11"][1] == "pos"
    assert rows["long"][0] == "A film that fits."
    assert rows["short"] == ("film", None)
    session = open_review(recipe, by="mara")
    parts = [session.show_row(row)["part"] for row in (1, 11, 60, 62)]
    assert parts == ["rejected", "kept", "kept", "kept"]
    assert session.show_row(1)["why"] == "review"
    assert session.show_row(60)["text"].startswith("A film A film")  # the record stays as it is
    assert session.state()["counts"] == {"dropped": 1, "edited": 1, "kept": 1, "relabelled": 1}


def test_decisions_hold_where_no_duplicates_are_looked_for(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "dedupe: {exact: false}\n")
    _decide(recipe)
    curate(recipe)
    rows = _set(recipe)
    assert "r1" not in rows
    assert rows["again"][1] == "pos"


def test_stale_orphaned_and_disputed_decisions_are_shown_and_not_applied(recipe: Path) -> None:
    _decide(recipe)
    open_review(recipe, by="otto").decide(Ask(row=62, decision="drop"))
    rows = pl.read_parquet(recipe.parent / "rows.parquet").with_row_index("at")
    changed = pl.when(pl.col("at") == 11).then(pl.lit("A film, wonderful anew.")).otherwise("text")
    rows = rows.with_columns(text=changed).filter(pl.col("id") != "r1").drop("at")
    rows.write_parquet(recipe.parent / "rows.parquet")
    curate(recipe)
    session = open_review(recipe, by="mara")
    state = session.state()
    assert state["orphaned"] == 1
    queues = {queue["name"]: queue["rows"] for queue in state["queues"]}
    assert (queues["stale"], queues["disputed"]) == (1, 1)
    first = {queue.name: session.list_rows(queue.rows)[0] for queue in session.queues()}
    stale, disputed = first["stale"], first["disputed"]
    assert (stale["decision"]["state"], stale["label"]) == ("stale", "neg")
    assert disputed["decision"]["state"] == "disputed"
    assert [one["by"] for one in session.show_row(disputed["row"])["said"]] == ["mara", "otto"]
    published = _set(recipe)
    assert published["r11"] == ("A film, wonderful anew.", "neg")
    assert "short" not in published  # the formula decides
