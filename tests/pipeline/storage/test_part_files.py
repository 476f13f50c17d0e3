from __future__ import annotations

from pathlib import Path

import pytest

from siftset.pipeline.storage.part_files import ROWS_PER_PART, Part, group_parts


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([0], [[0]]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([ROWS_PER_PART, 1], [[ROWS_PER_PART], [1]]),
        ([1, ROWS_PER_PART - 1, 1], [[1, ROWS_PER_PART - 1], [1]]),
        ([2 * ROWS_PER_PART, 0, 1], [[2 * ROWS_PER_PART], [0, 1]]),
    ],
)
def test_parts_are_grouped_in_order_up_to_what_one_part_holds(sizes, groups):
    parts = [Part(Path(str(at)), rows) for at, rows in enumerate(sizes)]
    found = list(group_parts(parts))
    assert [[part.rows for part in some] for some in found] == groups
    assert [part for some in found for part in some] == parts
