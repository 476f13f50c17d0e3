from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest

import siftset

ROOT = Path(__file__).parents[1]


def test_the_public_names_are_sorted_and_known():
    assert sorted(siftset.__all__) == siftset.__all__
    assert set(siftset.__all__) <= set(dir(siftset))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = siftset.nothing


def test_importing_it_loads_nothing_heavy():
    code = "import sys, siftset; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"polars", "pydantic", "torch", "numba", "nltk", "great_expectations"}


def test_signals_combine_from_the_public_page():
    @siftset.signal
    def shouting(text: str) -> bool:
        return text.isupper()

    question = siftset.keyword("nike") & ~shouting & (siftset.length() >= 4)
    assert question("I like my Nike shoes") is True
    assert question("NIKE") is False
    assert question.formula.text == "nike & ~shouting & (" + siftset.length().name + " >= 4)"


def test_its_version_is_that_of_the_package():
    assert siftset.__version__ == version("siftset")


def test_every_public_name_is_there_and_says_what_it_does():
    for name in set(siftset.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(siftset, name)), name


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_documented_snippet_imports_from_siftset_alone(page):
    snippets = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    imported = [line for text in snippets for line in text.splitlines() if "import" in line]
    inner = [line for line in imported if re.match(r"\s*(from|import) siftset\.", line)]
    names = re.findall(r"from siftset import (.+)", "\n".join(imported))
    assert not inner
    assert {name.strip() for line in names for name in line.split(",")} <= set(siftset.__all__)


def test_a_job_runs_from_the_public_page(tmp_path, monkeypatch, tiny_encoder):
    """A recipe made in Python: curated, explained, grown, trained on, compared and asked."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    rows = [{"text": f"the soft shoe is good and {n}"} for n in range(40)]
    Path("in/a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = siftset.Recipe.model_validate(
        {
            "name": "shoes",
            "output": "out",
            "source": {"files": {"paths": ["in/*.jsonl"]}},
            "keep": "shoe",
            "signals": {"shoe": {"keyword": {"words": ["shoe"]}}},
            "train": {"task": "mlm", "model": str(tiny_encoder), "max_steps": 2, "max_length": 16},
            "compare": {"positive": None, "negative": None, "resamples": 20},
        }
    )
    assert siftset.curate(recipe).version == 0
    Path("in/b.jsonl").write_text(json.dumps({"text": "one more shoe"}) + "\n")
    assert siftset.refresh(recipe).set_rows == 41
    (row_id,) = pl.read_delta("out/set").filter(text="one more shoe")["row_id"]
    assert "shoe: true" in siftset.explain(recipe, row_id).text
    assert "shoe" in siftset.explain(recipe).text
    model = siftset.train(recipe).model
    answers = siftset.predict(model, ["the shoe is [MASK]"], top_k=2).answers
    assert len(answers[0]["masks"][0]) == 2
    assert Path(siftset.compare(recipe)["report"]).is_file()
    assert siftset.export_set(recipe, "rows.parquet") == 41
