"""Pages with a setting of their own: what they say is run where it can be."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = ("docs/gpu.md", "docs/label-review.md")


def pages():
    spec = importlib.util.spec_from_file_location("_pages", ROOT / "tests" / "test_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", GUIDES)
def test_every_block_of_a_guide_runs(page, tmp_path):
    pytest.importorskip("torch")
    module = pages()
    for language, text in module.FENCE.findall((ROOT / page).read_text("utf-8")):
        module.run_block(language, text, tmp_path)
