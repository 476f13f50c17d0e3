"""What a worker of a cluster does: one shard, its result whole on the shared storage."""

from __future__ import annotations

import copy
import os
import resource
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from siftset.pipeline.engines.ray.failed_shard import quarantine_shard
from siftset.pipeline.engines.shard_results import (
    DRAFT,
    ShardCost,
    ShardRecord,
    shard_name,
    store_record,
)
from siftset.pipeline.run.content_key import content_key
from siftset.pipeline.run.label_votes import bind_voters
from siftset.pipeline.run.score_store import StoredScores
from siftset.pipeline.run.split import split_expr, stratum_columns
from siftset.pipeline.stages.process_shard import (
    RowSample,
    ShardContext,
    process_shard,
)
from siftset.pipeline.storage.address import WORK
from siftset.pipeline.storage.object_store import is_address
from siftset.schemas.errors import OutputError, SiftsetError, SignalError
from siftset.schemas.plurals import format_count
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse
from siftset.signals.label_votes.voters import Voters
from siftset.signals.registry import build_for

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard
    from siftset.schemas.recipe.loading import LoadedRecipe

SHIPPED: Final = "recipe"
"""The folder, in the worker's own, that holds what the signals read from the recipe's folder."""
ATTEMPTS: Final = "attempts"
MARK: Final = "mark"
ENDED: Final = 87
"""Exit status of a worker that ended itself."""
_GRACE: Final = 3.0
"""Seconds after which the kernel ends a worker that could not end itself."""
_LOOK: Final = 0.1


@dataclass(frozen=True, slots=True)
class TaskPayload:
    """Everything that a worker needs beside the shard."""

    loaded: LoadedRecipe
    plain: dict[str, Any]
    """The fields of Work that travel as they are."""
    watch: RowSample
    schema: pl.Schema
    """The columns of the source."""
    formula: str
    """Hash of the formula with its signals: theirs must be the same on every node."""
    votes: str | None
    """The same of who votes on labels."""
    output: Path
    place: Path
    """The folder of the run's shards."""
    mark: str
    timeout: float
    memory: int | None

    @property
    def attempts(self) -> Path:
        """Where workers say which attempt they are at."""
        return self.place / ATTEMPTS


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that the user can fix, on its way to the driver."""

    kind: str
    message: str


def do_shard(
    payload: TaskPayload, shard: Shard, index: int, attempt: int, reason: str | None = None
) -> Refusal | None:
    """Work on a shard; with a `reason`, set its rows aside instead.

    What the shard cost and gave lies on the storage. Ends its process where the time or the memory
    of an attempt runs out.
    """
    begun = _Begun()
    try:
        _check_storage(payload)
        with _enforce_limits(payload, f"{index:06d}-{attempt}"):
            _run_shard(payload, shard, index, reason, begun)
    except SiftsetError as error:
        said = str(error)
        named = said if _node_id() in said else f"node {_node_id()}: {said}"
        return Refusal(type(error).__name__, named)
    return None


class _Begun:
    def __init__(self) -> None:
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def cost(self, rows: int) -> ShardCost:
        """Return what was spent since."""
        return ShardCost(
            node=_node_id(),
            rows=rows,
            seconds=time.monotonic() - self.wall,
            cpu_seconds=time.process_time() - self.cpu,
            peak_bytes=_peak_bytes(),
        )


def _run_shard(
    payload: TaskPayload, shard: Shard, index: int, reason: str | None, begun: _Begun
) -> None:
    name = shard_name(str(payload.plain["key"]), shard, index)
    name = name if reason is None else f"{name}-aside"
    draft = payload.place / f"{DRAFT}{name}-{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        recipe = payload.loaded.recipe
        decider, voters = _bind_signals(payload)
        context = ShardContext(
            **payload.plain,
            decider=decider,
            voters=voters,
            split=split_expr(recipe.split, recipe.seed, payload.schema),
            content_key=content_key(recipe.dedupe.on, payload.schema)
            if recipe.dedupe.compares_texts or recipe.removes_leaks
            else None,
            strata=stratum_columns(recipe.split, recipe.seed, payload.schema),
            folder=draft,
            watch=lambda: copy.deepcopy(payload.watch),
            stop=threading.Event(),
            advance=_tell_nobody,
            tally=_tell_nobody,
        )
        context.decider.take_statistics()
        result = (
            process_shard(shard, index, context)
            if reason is None
            else quarantine_shard(shard, index, context, reason)
        )
        context.decider.close()
        kept = ShardRecord(
            result, context.decider.take_statistics(), begun.cost(result.balance.read)
        )
        store_record(kept, draft, payload.place / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


_bound: dict[str, tuple[Decider, Voters | None]] = {}
_TRAVELS: Final = (
    "to a node travel the files that signals name below the recipe's folder and, from the folder "
    "of a .py file, the .py, .txt, .json, .yaml and .toml files with those of its packages, "
    "folders that hold an __init__.py; what else a node needs is installed there"
)


def _bind_signals(payload: TaskPayload) -> tuple[Decider, Voters | None]:
    """Return the decider and the voters of a run, made once in a process.

    Raises SignalError where a signal is another than on the driver.
    """
    found = _bound.get(payload.mark)
    if found is None:
        _bound.clear()
        recipe = payload.loaded.recipe
        formula = parse(recipe.keep)
        try:
            signals = build_for(formula, recipe.signals, folder=Path.cwd() / SHIPPED)
            expensive = sum(one.kind != "expression" for one in signals.values())
            cache = StoredScores(payload.output, signals=expensive)
            voters = bind_voters(recipe, Path.cwd() / SHIPPED, cache)
        except SignalError as error:
            raise SignalError(f"{error} ({_TRAVELS})") from error
        decider = Decider(formula, signals, order=recipe.order, seed=recipe.seed, cache=cache)
        theirs = None if voters is None else voters.hash
        if (decider.hash, theirs) != (payload.formula, payload.votes):
            raise SignalError(
                f"the signals on node {_node_id()} are not those of this machine, expected the "
                "same code, lists and versions: install the same siftset and packages on every node"
            )
        found = _bound[payload.mark] = decider, voters
    return found


def _check_storage(payload: TaskPayload) -> None:
    try:
        seen = (payload.place / MARK).read_text(encoding="utf-8")
    except OSError:
        seen = ""
    if seen != payload.mark:
        output, named = payload.loaded.recipe.output, ""
        if is_address(output):
            named = f", where the work for {output} is done: name one with {WORK}"
        raise OutputError(
            f"node {_node_id()} does not see {payload.output}: expected a folder on storage that "
            f"every node mounts at the same path{named}"
        )


@contextmanager
def _enforce_limits(payload: TaskPayload, attempt: str) -> Iterator[None]:
    """End this process where an attempt takes too long or too much memory, and say why.

    A thread looks; the kernel's alarm ends the process where a signal keeps it from running.
    """
    note = payload.attempts / attempt
    note.with_suffix(".node").write_text(_node_id(), encoding="utf-8")
    over = threading.Event()
    looking = threading.Thread(target=_watch_limits, args=(payload, note, over), daemon=True)
    looking.start()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, payload.timeout + _GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        over.set()


def _watch_limits(payload: TaskPayload, note: Path, over: threading.Event) -> None:
    deadline = time.monotonic() + payload.timeout
    while not over.wait(_LOOK):
        if time.monotonic() > deadline:
            _end_process(note, f"it took longer than ray.timeout {payload.timeout:g} seconds")
        used = _resident_bytes() if payload.memory else 0
        if payload.memory and used > payload.memory:
            _end_process(
                note,
                f"it took {format_count(used, 'byte')} of memory, ray.memory allows "
                f"{payload.memory:,}",
            )


def _end_process(note: Path, why: str) -> None:
    note.with_suffix(".why").write_text(why, encoding="utf-8")
    os._exit(ENDED)


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _peak_bytes()
    return pages * resource.getpagesize()


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _tell_nobody(done: object) -> None:
    """Tell nobody: the driver hears of whole shards."""
