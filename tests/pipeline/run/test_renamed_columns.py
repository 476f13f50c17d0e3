"""A recipe that names a mapped column as the input does is told what it is called now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siftset.pipeline.run.job import load_job
from siftset.schemas.errors import RecipeError

ASKED = [
    ({"signals": {"good": {"number": {"column": "rating", "min": 4}}}}, "signal 'good'"),
    ({"integrity": {"rows": {"rating": {"not_null": True}}}}, "integrity.rows"),
    ({"split": {"column": "rating"}}, "split.column"),
]


@pytest.mark.parametrize(("section", "place"), ASKED)
def test_the_message_names_the_column_of_today(section, place, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,rating\nx,5\n")
    recipe = {
        "name": "renamed",
        "output": "out",
        "source": {"files": {"paths": ["a.csv"], "label": "rating"}},
        "signals": {"good": {"length": {"min": 1}}},
        "keep": "good",
        **section,
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(RecipeError, match=f"{place}: .*'rating' is called 'label'"):
        load_job(tmp_path / "recipe.json")


def test_more_signals_than_a_page_can_show_are_refused(tmp_path: Path):
    recipe = {
        "name": "many",
        "output": "out",
        "source": {"files": {"paths": ["a.csv"]}},
        "signals": {f"s{n}": {"length": {"min": 1}} for n in range(1_001)},
        "keep": "s1",
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(RecipeError, match=r"signals: .*at most 1000"):
        load_job(tmp_path / "recipe.json")
