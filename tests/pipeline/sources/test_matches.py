from __future__ import annotations

from pathlib import PurePath

import pytest

from siftset.pipeline.sources.matches import is_hidden


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("a.csv", False),
        ("year=2024/a.csv", False),
        ("_year=2024/a.csv", False),
        (".a.csv", True),
        ("_delta_log/0.json", True),
        ("deep/.git/a.csv", True),
        ("deep/_SUCCESS", True),
    ],
)
def test_files_that_programs_keep_for_themselves_are_hidden(name: str, hidden: bool):
    assert is_hidden(PurePath(name)) is hidden
