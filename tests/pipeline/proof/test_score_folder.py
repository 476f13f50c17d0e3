"""Scores on disk, and a proof whose budget was spent before the first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from siftset.pipeline.proof.results import ScoreFolder


def _folder(root: Path, model: str) -> ScoreFolder:
    return ScoreFolder(root / "scores", "questions", SimpleNamespace(identity={"model": model}))


def test_a_proof_without_a_score_removes_nothing(tmp_path: Path) -> None:
    _folder(tmp_path, "none").remove_others()
    assert list(tmp_path.iterdir()) == []


def test_scores_of_the_last_models_stay(tmp_path: Path) -> None:
    for model in "abcd":
        _folder(tmp_path, model).write(np.arange(3), "C 1", np.zeros(2))
    now = _folder(tmp_path, "d")
    now.remove_others()
    assert len(list((tmp_path / "scores").iterdir())) == 3
    assert now.read(np.arange(3), "C 1") is not None
