"""The page of a run is the same each time: only times and ids of the run differ."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.results.metrics import RunMetrics

RECIPE = """
name: same
output: {output}
seed: 3
source: {{files: {{paths: ["{files}/*.csv"], text: text, label: label, id: id}}}}
signals:
  long: {{length: {{min: 40}}}}
  good: {{sentiment: {{min: 0.05}}}}
  film: {{keyword: {{words: [film, movie, story, characters, comedy]}}}}
  dull: {{keyword: {{words: [dull, boring, bad, slow, tedious]}}}}
keep: film & (good | long) & ~dull & good
dedupe: {{exact: true, near: 0.8}}
integrity: {{labels: [pos], reference: reference.csv}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpora) -> Path:
    folder = tmp_path_factory.mktemp("same")
    rows = pl.read_parquet(corpora / "sentence_polarity.parquet").select("id", "text", "label")
    rows = pl.concat([rows, rows[:400].with_columns(pl.col("id") + 100_000)])
    for name, parts in (("one", 1), ("twelve", 12)):
        (folder / name).mkdir()
        size = -(-rows.height // parts)
        for part in range(parts):
            rows[part * size : (part + 1) * size].write_csv(folder / name / f"{part:02d}.csv")
    rows.sample(2_000, seed=1).select("text", "label").write_csv(folder / "reference.csv")
    return folder


@pytest.fixture(scope="module")
def page_of(folder: Path):
    """Make the report of a run over one file or twelve, each way once."""
    made: dict[tuple[object, ...], Path] = {}

    def run(files: str, workers: int, *, engine: str = "local", again: int = 0) -> Path:
        way = files, workers, engine, again
        if way not in made:
            name = "-".join(map(str, way))
            recipe = folder / f"{name}.yaml"
            recipe.write_text(RECIPE.format(output=f"out-{name}", files=files), encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SIFTSET_WORKERS", str(workers))
                made[way] = curate(recipe, options=CurateOptions(engine=engine)).report
        return made[way]

    return run


def _masked(report: Path) -> str:
    """Return a page without its times, the id of its run, and what its plan asked."""
    page = report.read_text(encoding="utf-8")
    page = page.replace(report.parent.name, "RUN")
    page = re.sub(r"siftset (\w+) \S+\.yaml", r"siftset \1 RECIPE", page)
    page = re.sub(r'<details class="plan">.*?</details>', "", page, flags=re.DOTALL)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, [\d.,]+ s", "TIME", page)


def _differing(left: str, right: str) -> list[tuple[str, str]]:
    pairs = zip(left.split("<"), right.split("<"), strict=False)
    return [(one, other) for one, other in pairs if one != other][:5]


@pytest.mark.parametrize("files", ["one", "twelve"])
def test_two_equal_runs_leave_equal_pages_whatever_the_workers(page_of, files: str) -> None:
    pages = [_masked(page_of(files, workers)) for workers in (1, 4)]
    if files == "twelve":
        pages.append(_masked(page_of(files, 4, again=1)))
    for page in pages[1:]:
        assert _differing(pages[0], page) == []
        assert page == pages[0]
    assert "TIME" in pages[0]


def _figures(metrics: RunMetrics) -> dict[str, object]:
    """Return what does not speak of files."""
    plain = metrics.model_dump(mode="json", exclude={"run", "inputs", "drift"})
    plan = ("true", "false", "unknown", "evaluated", "skipped", "ran", "cached", "seconds", "fused")
    for signal in plain["funnel"]["signals"]:
        for key in plan:
            signal.pop(key)
    for profile in plain["profiles"].values():
        profile.pop("labels")
    for sample in (one for some in plain["samples"].values() for one in some):
        sample.pop("where")
    return plain


def test_one_file_and_twelve_give_equal_figures(page_of) -> None:
    one, twelve = (
        read_metrics(page_of(files, 1).with_name(METRICS)) for files in ("one", "twelve")
    )
    assert _figures(one) == _figures(twelve)
    assert [d.value for d in one.drift] == [d.value for d in twelve.drift]


@pytest.mark.slow
@pytest.mark.parametrize("files", [pytest.param("one", marks=pytest.mark.full), "twelve"])
def test_a_cluster_leaves_the_page_that_one_machine_leaves(page_of, files: str) -> None:
    pytest.importorskip("ray")
    local, ray = (_masked(page_of(files, 4, engine=engine)) for engine in ("local", "ray"))
    assert _differing(local, ray) == []
    assert local == ray
