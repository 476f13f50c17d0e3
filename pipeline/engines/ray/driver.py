"""Shards as tasks of a Ray cluster: bounded, tried again elsewhere, set aside at the last.

The driver hands shards out and reads their results from the storage; the rows never come to it.
"""

from __future__ import annotations

import secrets
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.engines.ray.nodes import NODE_LOST, Nodes, open_cluster
from siftset.pipeline.engines.ray.worker import ATTEMPTS, MARK, Refusal, TaskPayload, do_shard
from siftset.pipeline.engines.shard_results import ShardRecord, load_record, open_shards, shard_name
from siftset.pipeline.sources.assemble import FileParts, FileShard
from siftset.pipeline.sources.batch import ShardView
from siftset.schemas.errors import SourceError, error_named
from siftset.schemas.plurals import conjugate, format_count

if TYPE_CHECKING:
    from ray import ObjectRef

    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.sources import Shard
    from siftset.pipeline.stages.process_shard import ShardContext, ShardResult

NOT_SHIPPED: Final = frozenset(
    {
        "decider", "voters", "split", "content_key", "strata",
        "folder", "watch", "stop", "advance", "tally",
    }
)  # fmt: skip
NODES_LOST: Final = 10
"""Times that a shard may lose its node: no fault of its own, unless it takes every node along."""
_LOOK_UP: Final = 0.5


@dataclass(slots=True)
class ShardTask:
    """A shard on its way."""

    index: int
    shard: Shard
    attempts: int = 0
    lost: int = 0
    """Attempts whose node went."""
    tried: set[str] = field(default_factory=set)
    """Nodes on which an attempt failed."""
    reason: str | None = None
    """Why its rows are set aside."""


def sift_on_cluster(
    run: CurateRun, shards: Sequence[tuple[int, Shard]], context: ShardContext
) -> list[ShardResult]:
    """Work on the shards and return their results in order; those of an earlier run are kept.

    A shard whose process dies, or that takes too long, is tried again on other nodes, and its rows
    are set aside after that. Raises a SiftsetError that a worker raised.
    """
    place = open_shards(run.store.output, run.job.key)
    mark = secrets.token_hex(8)
    (place / MARK).write_text(mark, encoding="utf-8")
    shutil.rmtree(place / ATTEMPTS, ignore_errors=True)
    (place / ATTEMPTS).mkdir()
    names = (name for name in context.__slots__ if name not in NOT_SHIPPED)
    payload = TaskPayload(
        loaded=run.job.loaded,
        plain={name: getattr(context, name) for name in names},
        watch=context.watch(),
        schema=run.job.sources.schema,
        formula=run.job.decider.hash,
        votes=None if run.job.voters is None else run.job.voters.hash,
        output=run.store.output,
        place=place,
        mark=mark,
        timeout=run.job.recipe.ray.timeout,
        memory=run.job.recipe.ray.memory,
    )
    driver = Driver(run, payload, context)
    left = list(driver.find_missing(shards))
    if left:
        with open_cluster(run) as nodes:
            count_equal_records(left, nodes)
            driver.run_tasks(left, nodes)
    return [driver.results[index] for index, _ in shards]


def count_equal_records(shards: Sequence[tuple[int, Shard]], nodes: Nodes) -> None:
    """Have each file of many shards read once for what its row ids need of the whole file."""
    files: dict[int, FileParts] = {}
    for _, shard in shards:
        inner = shard.shard if isinstance(shard, ShardView) else shard
        if isinstance(inner, FileShard) and inner.plan.id is None and not inner.file.is_counted:
            files[id(inner.file)] = inner.file
    for file, found in zip(
        files.values(), nodes.map_tasks(FileParts.count_earlier, [*files.values()]), strict=True
    ):
        file.set_earlier(found)


class Driver:
    """Hands shards out, a bounded number at a time, and takes their results."""

    def __init__(self, run: CurateRun, payload: TaskPayload, context: ShardContext) -> None:
        self.run, self.payload, self.context = run, payload, context
        self.config = run.job.recipe.ray
        self.results: dict[int, ShardResult] = {}
        self._waiting: deque[ShardTask] = deque()
        self._under_way: dict[ObjectRef[Refusal | None], ShardTask] = {}

    def find_missing(self, shards: Sequence[tuple[int, Shard]]) -> Iterator[tuple[int, Shard]]:
        """Yield the shards whose results do not lie on the storage; take the others."""
        found = 0
        for index, shard in shards:
            kept = load_record(self._record_path(index, shard))
            if kept is None:
                shutil.rmtree(
                    self._record_path(index, shard), ignore_errors=True
                )  # its files have gone
                yield index, shard
            else:
                found += 1
                self._accept_record(index, kept)
        if found:
            self.run.progress.say(
                f"{found:,} of {format_count(len(shards), 'shard')} {conjugate(found, 'were')} "
                "done earlier and are kept"
            )

    def run_tasks(self, shards: Sequence[tuple[int, Shard]], nodes: Nodes) -> None:
        """Have every shard done or set aside."""
        import ray

        payload = ray.put(self.payload)
        todo = iter(shards)
        while True:
            self._submit_tasks(todo, nodes, payload)
            if not self._under_way:
                break
            done, _ = ray.wait([*self._under_way], num_returns=1, timeout=_LOOK_UP)
            if not done:
                nodes.wait()
            for ref in done:
                task = self._under_way.pop(ref)
                refusal, why = nodes.get_answer(ref)
                if refusal is not None:
                    raise error_named(refusal.kind, refusal.message)
                record = self._record_path(task.index, task.shard, aside=task.reason is not None)
                kept = load_record(record)
                if kept is None:
                    self._retry_task(task, why or "its result is not on the storage", nodes)
                    continue
                nodes.add_cost(kept.cost)
                self._accept_record(task.index, kept)
        self.run.nodes.update(nodes.summary())
        for line in nodes.describe_costs():
            self.run.progress.say(line)

    def _submit_tasks(
        self, todo: Iterator[tuple[int, Shard]], nodes: Nodes, payload: ObjectRef[TaskPayload]
    ) -> None:
        limit = self.config.in_flight or 2 * nodes.count_slots()
        while len(self._under_way) < limit:
            if self._waiting:
                task = self._waiting.popleft()
            else:
                following = next(todo, None)
                if following is None:
                    return
                task = ShardTask(*following)
            function = nodes.make_task(do_shard, elsewhere_than=task.tried)
            ref = function.remote(payload, task.shard, task.index, task.attempts, task.reason)
            self._under_way[ref] = task

    def _accept_record(self, index: int, kept: ShardRecord) -> None:
        self.results[index] = kept.result
        self.run.job.decider.absorb(kept.statistics)
        self.context.tally(kept.result.balance)
        self.context.advance(kept.result.balance.read)

    def _retry_task(self, task: ShardTask, why: str, nodes: Nodes) -> None:
        """Try a shard on another node, or set it aside where it was tried often enough."""
        note = self.payload.attempts / f"{task.index:06d}-{task.attempts}"
        own = _read_note(note.with_suffix(".why"))
        node = _read_note(note.with_suffix(".node"))
        task.attempts += 1
        lost = not own and (not node or why == NODE_LOST or not nodes.is_alive(node))
        why = own or why
        if lost:
            task.lost += 1
            why = f"its node was lost ({why})"
        else:
            task.tried.add(node)
        told = f"shard {task.index} ({task.shard.name}) on node {node[:8] or 'unknown'}: {why}"
        failed = task.attempts - task.lost
        if failed <= self.config.retries and task.lost <= NODES_LOST:
            self.run.progress.say(f"warning: {told}; trying again")
        elif task.reason is not None:
            raise SourceError(
                f"{told}; it cannot even be read to set its rows aside: look at the file, or give "
                "ray.memory and ray.timeout room"
            )
        else:
            task.reason = f"set aside after {task.attempts} attempts: {why}"
            task.attempts = task.lost = 0
            self.run.progress.say(f"warning: {told}; its rows are set aside")
        self._waiting.append(task)

    def _record_path(self, index: int, shard: Shard, *, aside: bool = False) -> Path:
        name = shard_name(self.run.job.key, shard, index)
        return self.payload.place / (f"{name}-aside" if aside else name)


def _read_note(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
