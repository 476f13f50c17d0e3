from __future__ import annotations

from pathlib import Path

import pytest

from siftset.pipeline.profile.history import find_alerts, read_history, read_overview
from siftset.schemas.results.label_metrics import LabelPrecision
from siftset.schemas.results.metrics import Rows, Run, RunMetrics


def _run(number: int, kept: int, *, version: int | None = 1, right: int = 50) -> RunMetrics:
    return RunMetrics(
        verdict="pass",
        run=Run(run_id=f"2026112{number}", recipe="x", version=version),
        rows=Rows(read=100, kept=kept, rejected=100 - kept),
        label_precision=LabelPrecision(wanted=("p",), right=right, labelled=50),
    )


def _write(output: Path, metrics: RunMetrics) -> None:
    folder = output / "runs" / metrics.run.run_id
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(metrics.model_dump_json(), encoding="utf-8")


def test_history_is_read_oldest_first_and_skips_what_did_not_publish(tmp_path: Path) -> None:
    for number, version in enumerate([1, None, 2, 3]):
        _write(tmp_path, _run(number, 40, version=version))
    (tmp_path / "runs" / "20261125").mkdir()
    (tmp_path / "runs" / "20261125" / "metrics.json").write_text("{broken", encoding="utf-8")
    (tmp_path / "runs" / "README").write_text("x", encoding="utf-8")
    assert [one.run.version for one in read_history(tmp_path)] == [1, 2, 3]
    assert [one.run.version for one in read_history(tmp_path, before="20261123")] == [1, 2]
    assert [one.run.version for one in read_history(tmp_path, last=1)] == [3]
    assert read_history(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("past", "now", "said"),
    [
        ([40, 41, 39, 40], 40, []),
        ([40, 41, 39, 40], 20, ["kept share fell by 20.0 points"]),
        ([40, 41, 39, 40], 60, ["kept share rose by 20.0 points"]),
        ([10, 40, 70, 30], 60, []),
        ([40, 40], 1, []),
    ],
)
def test_alerts_compare_with_the_usual_spread(past: list[int], now: int, said: list[str]) -> None:
    history = [_run(i, kept) for i, kept in enumerate(past)]
    found = find_alerts(_run(9, now), history)
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_label_precision_has_its_alert() -> None:
    found = find_alerts(_run(9, 40, right=30), [_run(i, 40) for i in range(4)])
    (line,) = found
    assert line.startswith("The label precision fell by 40.0 points to 60.0%; the median of the")


def test_an_overview_holds_what_lists_show_and_nothing_of_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    whole = _run(1, 7)
    path.write_text(whole.model_copy(update={"warnings": ("one",)}).model_dump_json())
    assert read_overview(path) == whole
    for broken in ("", "[]", '{"verdict": "pass"}', '{"verdict": 3'):
        path.write_text(broken)
        assert read_overview(path) is None
    assert read_overview(tmp_path / "none.json") is None
