"""One run under way, and how it was asked to run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from siftset.pipeline.storage.run_folder import new_run_id
from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Progress

if TYPE_CHECKING:
    from siftset.pipeline.run.frozen_split import FrozenSplit
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.storage.table import Store


@dataclass(frozen=True, slots=True)
class CurateOptions:
    """How to run, as opposed to what: none of it changes a published row."""

    limit: int | None = None
    """Read the first rows only; writes a preview and publishes nothing."""
    sample: int | None = None
    """Read a seeded sample of so many rows; writes a preview and publishes nothing."""
    dry_run: bool = False
    """Read everything, write a preview, publish nothing."""
    fresh: bool = False
    """Use nothing that earlier runs scored; publish where a row or an answer differs."""
    fresh_set: bool = False
    """Publish although the current version was made from the same recipe and input."""
    release_quarantine: bool = False
    """Put quarantined rows that were fixed back into the set; they stay in force for later runs."""
    fixed: Path | None = None
    """Where the fixed rows are; by default the quarantine of the last run."""
    plan: bool = False
    """Do everything but the commit, and lay it where `apply` finds it."""
    by: str = ""
    """Who asked for a plan; by default the user of this process."""
    take_over: bool = False
    """Go on from a set that is another recipe's, or that another program changed."""
    lock_timeout: float = 0.0
    engine: Literal["local", "ray"] = "local"

    def check_engine(self) -> None:
        """Raise MissingExtraError for an engine that is not installed."""
        if self.engine == "ray" and find_spec("ray") is None:
            raise MissingExtraError("the engine ray", "ray")

    @property
    def always_runs(self) -> bool:
        """Whether rows are read although nothing is new."""
        return self.is_preview or self.fresh or self.fresh_set

    @property
    def is_preview(self) -> bool:
        """Whether nothing is to be published."""
        return self.dry_run or self.limit is not None or self.sample is not None


@dataclass(frozen=True, slots=True)
class CurateRun:
    """One run under way."""

    job: Job
    store: Store
    options: CurateOptions
    progress: Progress
    folder: Path
    command: Literal["curate", "refresh"] = "curate"
    run_id: str = field(default_factory=new_run_id)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)
    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    """What the shards cost on each node of a cluster."""

    frozen: FrozenSplit | None = None
    """The edges of a stratified split, once the kept rows are known."""

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return time.perf_counter() - self.clock
