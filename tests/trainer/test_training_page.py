"""The recipes of docs/training.md are what the schema takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.schemas.recipe.train import Compare, Train

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
BLOCKS = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
REVIEWS = "review,stars\nI love these shoes!,5\nThe shoes fell apart.,1\nA fine book.,4\n"


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_recipes_of_the_page_are_understood(name, text, tmp_path):
    if text.startswith("name:"):
        (tmp_path / "reviews.csv").write_text(REVIEWS, "utf-8")
        (tmp_path / name).write_text(text, "utf-8")
        done = CliRunner().invoke(app, ["check", str(tmp_path / name)])
        assert done.exit_code == 0, done.stderr
        return
    read = YAML(typ="safe").load(text)
    assert set(read) <= {"train", "compare"}
    if "train" in read:
        Train.model_validate(read["train"])
    Compare.model_validate(read.get("compare", {}))


def test_the_page_has_recipes():
    assert len(BLOCKS) == 4
