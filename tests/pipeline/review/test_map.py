"""Places of rows on a map, and the names of its regions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from siftset.pipeline.review import map as maps
from siftset.pipeline.review.points import pack_points


def test_a_map_keeps_alike_texts_together_and_is_found_again(
    session, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(maps, "_has_opentsne", lambda: False)
    rows, vectors = session.rows, session.preparation.vectors
    heard: list[float] = []
    drawn = maps.draw_map(rows, vectors, tmp_path, heard.append)
    assert drawn.layout == "PCA"
    assert heard
    good = rows.frame["text"].fill_null("").str.contains("wonderful").to_numpy()
    bad = rows.frame["text"].fill_null("").str.contains("awful").to_numpy()
    places = np.stack([drawn.x, drawn.y], axis=1).astype(float)
    middles = [places[kind].mean(axis=0) for kind in (good, bad)]
    spread = max(places[kind].std(axis=0).max() for kind in (good, bad))
    assert np.abs(middles[0] - middles[1]).max() > 2 * spread
    heard.clear()
    again = maps.draw_map(rows, vectors, tmp_path, heard.append)
    assert heard == []
    assert np.array_equal(again.x, drawn.x)
    assert again.regions == drawn.regions


def test_regions_are_named_by_the_words_that_others_lack() -> None:
    words = ["the camera has a lens", "the novel has a hero"]
    texts = pl.Series([words[number % 2] for number in range(200)])
    region = np.array([number % 2 for number in range(200)], np.uint8)
    places = np.random.default_rng(1).random((200, 2)).astype(np.float32)
    named = [one.name for one in maps.name_regions(texts, places, region)]
    assert [set(name.split(", ")) for name in named] == [{"camera", "lens"}, {"hero", "novel"}]


def test_points_hold_a_code_for_each_row(session, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(maps, "_has_opentsne", lambda: False)
    preparation = session.preparation
    preparation.map = maps.draw_map(session.rows, preparation.vectors, tmp_path, lambda _: None)
    packed = pack_points(session)
    length = int.from_bytes(packed[:4], "little")
    head = json.loads(packed[4 : 4 + length])
    rows = head["rows"]
    assert len(packed) == 4 + length + rows * (4 + len(head["columns"]))
    codes = packed[4 + length + 4 * rows :][:rows]
    column = head["columns"][0]
    assert [column["values"][code] for code in codes] == session.rows.frame[":part"].to_list()
