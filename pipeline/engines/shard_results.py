"""Results of shards on storage that every machine sees, so that no shard is done twice.

    .shards/<key of the run>/000012-<key of the shard>/result.json, rejected/..., watch/...

A folder appears whole or not at all: it is written aside, synced, and renamed. Whoever comes second
with the same shard drops what it has. The key covers the input, the recipe and the fingerprints of
the signals, so what lies there is right for whichever run finds it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.stages.process_shard import OUTCOMES, ShardResult
from siftset.pipeline.storage.atomic_files import sync
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.results.label_metrics import VoteMetrics
from siftset.schemas.results.summary import Balance
from siftset.signals.analysis import Analysis, Quality, SignalAnalysis
from siftset.signals.evaluation.statistics import SignalStatistics, Statistics

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard

SHARDS: Final = ".shards"
RESULT: Final = "result.json"
WATCH: Final = "watch"
DRAFT: Final = ".draft-"


@dataclass(frozen=True, slots=True)
class ShardCost:
    """Where a shard was worked on, and what it took."""

    node: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """The largest memory of the process so far."""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """Rows that a watch on another machine kept."""

    frames: tuple[pl.DataFrame, ...]

    def read(self, frame: pl.DataFrame) -> None:
        """See nothing more."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """A result as it lies on the storage."""

    result: ShardResult
    statistics: Statistics
    cost: ShardCost


def shard_name(key: str, shard: Shard, index: int) -> str:
    """Return the name of a shard's folder: its place, and a hash of what decides its rows."""
    return f"{index:06d}-{hashlib.sha256(f'{key}:{shard.fingerprint}'.encode()).hexdigest()[:16]}"


def store_record(kept: ShardRecord, draft: Path, place: Path) -> None:
    """Make the folder `draft`, in which the parts lie, the result at `place`."""
    (draft / WATCH).mkdir()
    for at, frame in enumerate(kept.result.watch.frames):
        frame.write_ipc(draft / WATCH / f"{at:05d}.arrow")
    (draft / RESULT).write_text(json.dumps(_to_json(kept)), encoding="utf-8")
    for path in draft.rglob("*"):
        sync(path)
    sync(draft)
    try:
        draft.rename(place)
    except OSError:
        if not (place / RESULT).is_file():
            raise
        shutil.rmtree(draft, ignore_errors=True)
    sync(place.parent)


def load_record(place: Path) -> ShardRecord | None:
    """Return the result at `place`; None where there is none, or a file of it has gone."""
    try:
        found = json.loads((place / RESULT).read_text(encoding="utf-8"))
        parts = {
            outcome: tuple(
                _open_part(place / outcome / name, rows, size) for name, rows, size in listed
            )
            for outcome, listed in found["parts"].items()
        }
        frames = tuple(pl.read_ipc(path) for path in iter(sorted((place / WATCH).glob("*.arrow"))))
    except (OSError, ValueError):
        return None
    result = ShardResult(
        balance=Balance(**found["balance"]),
        parts={outcome: parts.get(outcome, ()) for outcome in OUTCOMES},
        watch=StoredSample(frames),
        unknown=found["unknown"],
        faulted=found["faulted"],
        faults=found["faults"],
        rule_counts=_read_counter(found["rule_counts"]),
        out_counts=_read_counter(found["out_counts"]),
        asked_out=found["asked_out"],
        analysis=_read_analysis(found["analysis"]),
        clauses=Counter(found["clauses"]),
        votes=None if found["votes"] is None else VoteMetrics.model_validate(found["votes"]),
    )
    asked = {name: SignalStatistics(**one) for name, one in found["statistics"]["signals"].items()}
    statistics = Statistics(**{**found["statistics"], "signals": asked})
    return ShardRecord(result, statistics, ShardCost(**found["cost"]))


def open_shards(output: Path, key: str) -> Path:
    """Return the folder of a run's shards, without those of other runs and half-written ones."""
    root = output / SHARDS
    place = root / key
    place.mkdir(parents=True, exist_ok=True)
    for other in root.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
    for draft in place.glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)
    return place


def close_shards(output: Path) -> None:
    """Remove the shards of a run that is done."""
    shutil.rmtree(output / SHARDS, ignore_errors=True)


def _open_part(path: Path, rows: int, size: int) -> Part:
    """Return a part; raises OSError where its file is not the one that was written."""
    if path.stat().st_size != size:
        raise FileNotFoundError(path)
    return Part(path, rows)


def _to_json(kept: ShardRecord) -> dict[str, JsonValue]:
    result = kept.result
    parts = {
        outcome: [[part.path.name, part.rows, part.path.stat().st_size] for part in found]
        for outcome, found in result.parts.items()
    }
    made = {
        "balance": result.balance.to_json(),
        "parts": parts,
        "unknown": result.unknown,
        "faulted": result.faulted,
        "faults": result.faults,
        "rule_counts": [[list(name), rows] for name, rows in result.rule_counts.items()],
        "out_counts": [[list(name), rows] for name, rows in result.out_counts.items()],
        "asked_out": result.asked_out,
        "clauses": dict(result.clauses),
        "votes": None if result.votes is None else result.votes.model_dump(mode="json"),
        "analysis": _analysis_to_json(result.analysis),
        "statistics": asdict(kept.statistics),
        "cost": asdict(kept.cost),
    }
    return cast(dict[str, JsonValue], made)


def _read_counter(listed: Sequence[tuple[Sequence[str], int]]) -> Counter[tuple[str, ...]]:
    return Counter({tuple(name): rows for name, rows in listed})


def _analysis_to_json(analysis: Analysis | None) -> dict[str, Any] | None:
    if analysis is None:
        return None
    agreement = [[*pair, *counts] for pair, counts in analysis.agreement.items()]
    plain = {name: asdict(one) for name, one in analysis.signals.items()}
    quality = None if analysis.quality is None else asdict(analysis.quality)
    return {
        "formula": analysis.formula,
        "rows": analysis.rows,
        "kept": analysis.kept,
        "unknown": analysis.unknown,
        "signals": plain,
        "agreement": agreement,
        "quality": quality,
        "nodes": dict(analysis.nodes),
        "steps": analysis.steps,
        "clauses": dict(analysis.clauses),
    }


def _read_analysis(found: Mapping[str, Any] | None) -> Analysis | None:
    if found is None:
        return None
    signals = {
        name: SignalAnalysis(
            **{**one, "quality": _read_quality(one["quality"]), "wrong": tuple(one["wrong"])}
        )
        for name, one in found["signals"].items()
    }
    agreement = {(left, right): (same, known) for left, right, same, known in found["agreement"]}
    told = {
        "signals": signals,
        "agreement": agreement,
        "quality": _read_quality(found["quality"]),
        "steps": tuple(found["steps"]),
    }
    return Analysis(**{**found, **told})


def _read_quality(found: Mapping[str, int] | None) -> Quality | None:
    return None if found is None else Quality(**found)
