"""One row, found by its id or by the beginning that a page shows."""

from __future__ import annotations

import pytest

from siftset.pipeline.commands.explain import explain_one
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
