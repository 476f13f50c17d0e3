"""What `siftset compare` prints: figures, verdicts, and what a baseline shows."""

from __future__ import annotations

from pathlib import Path

from siftset.pipeline.commands.compare import describe_comparison
from siftset.schemas.results.comparison import (
    Change,
    Comparison,
    Interval,
    ModelInfo,
    Questions,
)
from siftset.schemas.results.summary import Finding


def write(folder: Path, **more: object) -> Path:
    interval = Interval(low=0.01, high=0.09)
    changes = (
        Change(
            name="macro_f1",
            before=0.7,
            after=0.75,
            difference=0.05,
            interval=interval,
            n=120,
            verdict="better",
        ),
        Change(name="loss", before=0.5, after=None, difference=None, n=120),
    )
    found = Comparison(
        task="classification",
        before=ModelInfo(name="linear probe"),
        after=ModelInfo(name="v0-m"),
        before_kind="linear probe",
        questions=Questions(hash="ab", seed=0, rows=120),
        metrics={},
        changes=changes,
        findings=(
            Finding("a baseline is as good", "warning", "TF-IDF does better"),
            Finding("small", "note", "nothing to see"),
        ),
        warnings=("the head is new",),
        notes=("source: fewer than 10 rows, not measured: a (1)",),
        **more,
    )
    (folder / "compare.json").write_text(found.model_dump_json())
    return folder / "compare.html"


def test_a_comparison_is_told_with_figures_and_verdicts(tmp_path):
    report = write(tmp_path)
    assert list(describe_comparison(report)) == [
        "Compared linear probe with v0-m on 120 rows",
        "                            before       after  difference",
        "  macro_f1                     0.7        0.75        0.05  better (+0.01 to +0.09)",
        "  loss                         0.5                          not judged",
        "  warning: the head is new",
        "  warning: TF-IDF does better",
        "  source: fewer than 10 rows, not measured: a (1)",
        f"  report    {report}",
    ]
