"""Scores that were measured once, kept by what they are of: rows, questions, model, strength."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np

from siftset.pipeline.proof.learners import Learner
from siftset.pipeline.proof.statistics import Array, Integers
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import json_digest

FORMAT = 1
"""Raised where the same rows and settings give other scores than before."""


class ScoreFolder:
    """Scores on disk; a name is a hash of all that the scores depend on, so none can be stale."""

    def __init__(self, folder: Path, questions: str, learner: Learner) -> None:
        made = json_digest([FORMAT, questions, dict(learner.identity)])
        self._root, self._folder = folder, folder / made[:24]

    def find_path(self, rows: Integers, strength: str) -> Path:
        """Return where the scores of a model trained on rows lie, or would."""
        made = hashlib.sha256(f"{strength}\n".encode() + rows.astype("<i8").tobytes())
        return self._folder / f"{made.hexdigest()[:32]}.npy"

    def read(self, rows: Integers, strength: str) -> Array | None:
        """Return the scores, None where there are none yet."""
        path = self.find_path(rows, strength)
        return np.load(path).astype(np.float64) if path.is_file() else None

    def write(self, rows: Integers, strength: str, scores: Array) -> Array:
        """Keep scores, whole or not at all; return them as they will be read."""
        path = self.find_path(rows, strength)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.save(file, kept := scores.astype(np.float32))
        return kept.astype(np.float64)

    def remove_others(self, keep: int = 3) -> None:
        """Remove the scores of other rows and models but for those that were used last."""
        if not self._root.is_dir():  # nothing was scored within the budget
            return
        others = [p for p in self._root.iterdir() if p.is_dir() and p != self._folder]
        for path in sorted(others, key=lambda p: p.stat().st_mtime, reverse=True)[keep - 1 :]:
            shutil.rmtree(path)
