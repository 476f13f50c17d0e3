"""What an interrupted run left beside the model, and whether this one may go on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from siftset.schemas.progress import Progress
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import TrainingData
from siftset.trainer.models.content import identify_base
from siftset.trainer.models.saving import save_json
from siftset.trainer.training.fsdp import is_sharded
from siftset.trainer.training.work_folder import last_checkpoint

FREE = {"threads", "report_to", "logging_steps", "distributed"}
"""Settings that do not decide the weights; how many processes there are does, by itself."""


def run_key(config: Train, data: TrainingData, seed: int, processes: int) -> str:
    """Return the hash of what decides the weights: settings, seed, files, processes."""
    files = {
        split: [[path.name, path.stat().st_size] for path in paths]
        for split, paths in data.files.items()
    }
    parts = [
        config.model_dump(mode="json", exclude=FREE),
        seed,
        files,
        data.lineage.version,
        data.lineage.formula_hash,
        processes,
        identify_base(config),
        *(["sharded"] if is_sharded() else []),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def find_checkpoint(work: Path, key: str, progress: Progress) -> Path | None:
    """Return the checkpoint of an interrupted run with this key, if there is one."""
    if not (work / "run.json").is_file():
        return None
    if not has_key(work, key):
        progress.say("an interrupted run had other settings or data: starting afresh")
        return None
    found = last_checkpoint(work)
    if found is not None:
        progress.say(f"resuming at step {found.name.rpartition('-')[2]}")
    return found


def has_key(work: Path, key: str) -> bool:
    """Say whether a work folder belongs to a run with this key."""
    note = work / "run.json"
    return note.is_file() and json.loads(note.read_text())["key"] == key


def open_work(work: Path, key: str, *, keep: bool) -> None:
    """Make the work folder; without `keep` what an earlier run left is removed."""
    if not keep:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    save_json({"key": key}, work / "run.json")
