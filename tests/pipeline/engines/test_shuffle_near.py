"""Near duplicates found component by component are those that one machine finds."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.engines.ray.connected_components import connected_components, pack_components
from siftset.pipeline.engines.ray.shuffle import ROWS, ShuffleResolver
from siftset.pipeline.stages.dedupe import near_duplicates
from siftset.pipeline.storage.part_files import Part


class OneByOne:
    """Does what a cluster does, in this process, and counts."""

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()

    def map_tasks(self, function, items):
        self.tasks[function.__name__] += len(items)
        return [function(item) for item in items]


def sentences(rows: int, seed: int) -> list[str | None]:
    """Return unlike texts, copies with edits, chains of edits, a template, short texts, gaps."""
    draw = random.Random(seed)
    words = [f"{first}{last}" for first in "abcdefghij" for last in "klmnopqrst"]
    texts: list[str | None] = [None, "", "too short to be compared"]
    for _ in range(rows // 8):
        base = draw.choices(words, k=draw.randint(8, 40))
        texts.append(" ".join(base))
        for _ in range(draw.choice((0, 0, 1, 3, 9))):
            base[draw.randrange(len(base))] = draw.choice(words)
            texts += [" ".join(base)] * draw.choice((1, 1, 1, 2))
    template = draw.choices(words, k=30)
    for number in range(rows // 3):
        template[draw.randrange(30)] = f"number{number % 50}"
        texts.append(" ".join(template))
    draw.shuffle(texts)
    return texts


def written(folder: Path, texts: list[str | None]) -> list[Part]:
    """Write parts of differing sizes, as shards do."""
    draw, parts, start = random.Random(1), [], 0
    while start < len(texts):
        some = texts[start : start + draw.randint(1, 40)]
        path = folder / f"{len(parts):06d}-candidates-00000.parquet"
        pl.DataFrame({"text": pl.Series(some, dtype=pl.String)}).write_parquet(path)
        parts.append(Part(path, len(some)))
        start += len(some)
    return parts


@pytest.mark.parametrize(("threshold", "size"), [(0.5, 60), (0.8, 20), (0.8, 300), (0.9, ROWS)])
def test_an_exchange_finds_what_one_machine_finds(tmp_path, threshold, size):
    texts = sentences(500, seed=size)
    parts = written(tmp_path, texts)
    seen: set[str | None] = set()
    again = [at for at, text in enumerate(texts) if text in seen or seen.add(text)]
    without = pl.Series("place", again[::-1], dtype=pl.Int64)
    nodes = OneByOne()
    exchange = ShuffleResolver(nodes, tmp_path / "work", rows=size)
    found = exchange.find_near(parts, threshold, without=without, seed=size)
    assert found.equals(near_duplicates(parts, threshold, without=without, seed=size))
    assert found.height > 10
    assert (nodes.tasks["search_component"] > 10) == (size < ROWS)
    assert not {*found["place"], *found["keeper"]} & {*again}


def test_rows_that_share_nothing_are_not_brought_together(tmp_path):
    texts = [f"{n} " + " ".join(f"w{n}of{k}" for k in range(12)) for n in range(30)]
    nodes = OneByOne()
    exchange = ShuffleResolver(nodes, tmp_path / "work", rows=50)
    nothing = pl.Series("place", [], dtype=pl.Int64)
    for parts in (written(tmp_path, texts), []):
        assert exchange.find_near(parts, 0.7, without=nothing, seed=0).height == 0
    assert not nodes.tasks["search_component"]


pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60)


def framed(some: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(some, schema={"place": pl.Int64, "keeper": pl.Int64}, orient="row")


@given(st.lists(pairs, max_size=4), st.integers(1, 20))
def test_components_are_joined_and_packed_whole(batches, size):
    frames = [framed(batch) for batch in batches]
    parts = {place: {place} for place in range(41)}
    for left, right in (pair for batch in batches for pair in batch):
        union = parts[left] | parts[right]
        parts.update(dict.fromkeys(union, union))
    places, roots = connected_components(41, frames)
    assert places.tolist() == [place for place, others in parts.items() if len(others) > 1]
    assert places[roots].tolist() == [min(parts[place]) for place in places.tolist()]
    buckets = pack_components(roots, size)
    for bucket in set(buckets.tolist()):
        held = Counter(roots[buckets == bucket].tolist())
        assert held.total() < 2 * size or len(held) == 1
    assert len({*zip(roots.tolist(), buckets.tolist(), strict=True)}) == len({*roots.tolist()})


@pytest.mark.parametrize("rising", [True, False])
def test_a_long_chain_is_one_component(rising):
    """Joined all at once, where climbing step by step would take hours."""
    places = np.arange(100_000)
    chain = pl.DataFrame({"place": places[1:], "keeper": places[:-1]})
    chain = chain if rising else chain.reverse()
    _, roots = connected_components(100_000, [chain])
    assert len(roots) == 100_000
    assert not roots.any()
