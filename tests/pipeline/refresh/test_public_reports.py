"""What other incremental tools lost or doubled, as public reports tell, and what stays here."""

from __future__ import annotations

import os

import pytest

from siftset.schemas.errors import SourceError

FILES = {"paths": ["in/*.jsonl"], "id": "id"}


def texts(world) -> list[str]:
    return sorted(world.set()["text"])


def test_a_file_that_comes_late_and_is_older_than_what_was_read(new_world):
    """solana-models 479, dlt 2269, airbyte 14732, drt 759: nothing is skipped by a watermark."""
    world = new_world()
    world.write("b", [{"text": "second words"}])
    world.refresh()
    world.write("a", [{"text": "first words"}])
    os.utime(world.folder / "in" / "a.jsonl", (0, 0))
    world.refresh()
    assert texts(world) == ["first words", "second words"]


@pytest.mark.parametrize("merge", ["append", "upsert"])
def test_a_key_twice_in_one_batch(new_world, merge):
    """hudi 2572, syncyomi 209: the later record wins under upsert, and append refuses the two."""
    world = new_world(source={"files": FILES}, refresh={"merge": merge})
    world.write("a", [{"id": 1, "text": "first words"}, {"id": 1, "text": "second words"}])
    if merge == "append":
        with pytest.raises(SourceError, match="have one id and different contents"):
            world.refresh()
        return
    world.refresh()
    assert texts(world) == ["second words"]


def test_every_row_of_a_key_gives_way(new_world):
    """paimon 8318: rows of one key that stood in several files all give way to the latest."""
    world = new_world(source={"files": FILES}, refresh={"merge": "upsert"})
    for name in "abc":
        world.write(name, [{"id": "k", "text": f"words of {name}"}])
    world.refresh()
    world.write("d", [{"id": "k", "text": "the last words"}])
    world.refresh()
    assert texts(world) == ["the last words"]
