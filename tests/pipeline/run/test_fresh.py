"""What was scored is scored anew where that is asked for, and published again where that is."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh_set
from siftset.pipeline.run import score_store
from siftset.pipeline.run.context import CurateOptions

# The name of the file is put together at run time, so that no fingerprint can know of it.
MINE = """
import time
from pathlib import Path
from siftset import signal

HERE = Path(__file__).parent

@signal(returns="score")
def weight(text: str) -> float:
    time.sleep(1e-5)
    return float(HERE.joinpath("weight" + ".txt").read_text()) * len(text)
"""
FILES = {
    "recipe.yaml": "name: n\noutput: out\nsource: {files: {paths: ['*.csv']}}\nanalysis: 'off'\n"
    "signals: {weight: {python: 'mine.py:weight'}}\nkeep: weight >= 4\n",
    "mine.py": MINE,
    "a.csv": "text\n" + "\n".join(f"{'x' * n} {m}" for n in range(1, 9) for m in range(40)),
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(score_store, "SAVES", 0.0)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "weight.txt").write_text("1", "utf-8")
    return tmp_path / "recipe.yaml"


def scores(recipe: Path) -> list[float]:
    rows = pl.read_delta(str(recipe.parent / "out" / "set"))
    return rows["scores"].struct.field("weight").unique().sort().to_list()


@pytest.mark.parametrize("run", [curate, refresh_set])
def test_fresh_scores_anew_and_publishes_what_differs(recipe: Path, run) -> None:
    fresh, again = CurateOptions(fresh=True), CurateOptions(fresh_set=True)
    first = run(recipe)
    assert (first.version, scores(recipe)[0]) == (0, 4.0)
    (recipe.parent / "weight.txt").write_text("2", "utf-8")
    # nothing tells of the change: the stored scores serve a version that is asked for again
    assert run(recipe).new is False
    known = run(recipe, options=again)
    assert (known.new, known.version, scores(recipe)[0]) == (True, 1, 4.0)
    if run is curate:
        assert known.scores["weight"] == {"scored": 0, "cached": 320}
    found = run(recipe, options=fresh)
    assert (found.new, found.scores, scores(recipe)[0]) == (True, {}, 6.0)
    # and what they became is what later runs find
    (recipe.parent / "weight.txt").write_text("9", "utf-8")
    assert run(recipe, options=again).version == found.version + 1
    assert scores(recipe)[0] == 6.0


@pytest.mark.parametrize("run", [curate, refresh_set])
def test_fresh_publishes_nothing_where_no_answer_differs(recipe: Path, run, capsys) -> None:
    from siftset.schemas.progress import LineProgress

    said: list[str] = []
    first = run(recipe)
    found = run(recipe, options=CurateOptions(fresh=True), progress=LineProgress(said.append))
    assert (found.new, found.version, found.run_id) == (False, 0, first.run_id)
    assert any("scored again, 320 answers: 0 rows differ" in line for line in said)
    assert run(recipe).new is False
    assert len(list((recipe.parent / "out" / "runs").iterdir())) == 1
