from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.metrics import prometheus_text, write_prometheus
from siftset.schemas.errors import OutputError

LABEL = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"siftset_[a-z_]+\{{(?:{LABEL},?)+\}} -?[\d.e+-]+")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("text\ngood\nbad\ngood\npoor\n")
    path = tmp_path / "shop.json"
    content = {
        "name": "shop",
        "output": "out",
        "source": {"files": {"paths": ["rows.csv"]}},
        "signals": {"good": {"keyword": {"words": ["good"]}}},
        "keep": "good",
    }
    path.write_text(json.dumps(content))
    return path


def test_metrics_follow_the_text_format(recipe: Path) -> None:
    run = curate(recipe)
    figures = run.output / "runs" / run.run_id / "metrics.json"
    told = json.loads(figures.read_text())
    told["drift"] = [{"name": 'a "quoted" \\ name', "against": "version\n0", "value": 0.125}]
    figures.write_text(json.dumps(told))
    text = prometheus_text(recipe)
    assert text.endswith("\n")
    order = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            order.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line.split()[2:] == [order[-1], "gauge"]
        else:
            assert SAMPLE.fullmatch(line), line
            assert line.partition("{")[0] == order[-1]  # a metric's samples stand together
    assert len(order) == len(set(order))
    assert {"siftset_run_start_timestamp_seconds", "siftset_run_duration_seconds"} <= set(order)
    name = 'recipe="shop"'
    measure = 'measure="a \\"quoted\\" \\\\ name",against="version\\n0"'
    assert f"siftset_drift{{{name},{measure}}} 0.125\n" in text
    assert f'siftset_run_rows{{{name},outcome="duplicate"}} 1\n' in text
    assert f'siftset_run_rows_ratio{{{name},outcome="kept"}} 0.25\n' in text
    assert f'siftset_run_verdict{{{name},verdict="pass"}} 1\n' in text
    assert f"siftset_set_version{{{name}}} 0\n" in text


def test_a_collector_s_file_is_written_at_once_or_not_at_all(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="has no run yet: run  siftset curate"):
        prometheus_text(recipe)
    curate(recipe)
    out = tmp_path / "collector" / "shop.prom"
    found = CliRunner().invoke(app, ["metrics", str(recipe), "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert out.read_text() == prometheus_text(recipe)
    assert out.stat().st_mode & 0o044 == 0o044
    assert [path.name for path in out.parent.iterdir()] == ["shop.prom"]
    with pytest.raises(OutputError, match=r"reads \*.prom alone"):
        write_prometheus("", tmp_path / "shop.txt")
