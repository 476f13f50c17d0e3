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

from siftset.pipeline.engines.ray.nodes import NODE_LOST, Nodes, connected
from siftset.pipeline.engines.ray.worker import ATTEMPTS, MARK, Parcel, Refusal, do_shard
from siftset.pipeline.engines.shard_results import Kept, get, open_shards, shard_name
from siftset.pipeline.sources.assemble import FileParts, FileShard
from siftset.pipeline.sources.batch import ShardView
from siftset.schemas.errors import SourceError, error_named

if TYPE_CHECKING:
    from ray import ObjectRef

    from siftset.pipeline.run.context import Run
    from siftset.pipeline.sources import Shard
    from siftset.pipeline.sources.occurrences import Earlier
    from siftset.pipeline.stages.process_shard import ShardResult, Work

NOT_SHIPPED: Final = frozenset({"decider", "split", "folder", "watch", "stop", "advance", "tally"})
NODES_LOST: Final = 10
"""Times that a shard may lose its node: no fault of its own, unless it takes every node along."""
_LOOK_UP: Final = 0.5


@dataclass(slots=True)
class Errand:
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


def sift_on_cluster(run: Run, shards: Sequence[tuple[int, Shard]], work: Work) -> list[ShardResult]:
    """Work on the shards and return their results in order; those of an earlier run are kept.

    A shard whose process dies, or that takes too long, is tried again on other nodes, and its rows
    are set aside after that. Raises a SiftsetError that a worker raised.
    """
    place = open_shards(run.store.output, run.job.key)
    parcel = _parcel(run, work, place)
    crew = Crew(run, parcel, work)
    left = list(crew.not_there(shards))
    if left:
        with connected(run) as nodes:
            count_equal_records(left, nodes)
            crew.work_on(left, nodes)
    return [crew.results[index] for index, _ in shards]


def count_equal_records(shards: Sequence[tuple[int, Shard]], nodes: Nodes) -> None:
    """Have each file of many shards read once for what its row ids need of the whole file."""
    files: dict[int, FileParts] = {}
    for _, shard in shards:
        inner = shard.shard if isinstance(shard, ShardView) else shard
        if isinstance(inner, FileShard) and inner.plan.id is None and not inner.file.is_counted:
            files[id(inner.file)] = inner.file
    for file, found in zip(files.values(), nodes.each(_counted, [*files.values()]), strict=True):
        file.set_earlier(found)


def _counted(file: FileParts) -> tuple[Earlier, ...]:
    return file.count_earlier()


def _parcel(run: Run, work: Work, place: Path) -> Parcel:
    mark = secrets.token_hex(8)
    (place / MARK).write_text(mark, encoding="utf-8")
    shutil.rmtree(place / ATTEMPTS, ignore_errors=True)
    (place / ATTEMPTS).mkdir()
    config = run.job.recipe.ray
    names = (name for name in work.__slots__ if name not in NOT_SHIPPED)
    return Parcel(
        loaded=run.job.loaded,
        plain={name: getattr(work, name) for name in names},
        watch=work.watch(),
        columns=run.job.columns,
        formula=run.job.decider.hash,
        output=run.store.output,
        place=place,
        mark=mark,
        timeout=config.timeout,
        memory=config.memory,
    )


class Crew:
    """Hands shards out, a bounded number at a time, and takes their results."""

    def __init__(self, run: Run, parcel: Parcel, work: Work) -> None:
        self.run, self.parcel, self.work = run, parcel, work
        self.config = run.job.recipe.ray
        self.results: dict[int, ShardResult] = {}
        self._waiting: deque[Errand] = deque()
        self._under_way: dict[ObjectRef[Refusal | None], Errand] = {}

    def not_there(self, shards: Sequence[tuple[int, Shard]]) -> Iterator[tuple[int, Shard]]:
        """Yield the shards whose results do not lie on the storage; take the others."""
        found = 0
        for index, shard in shards:
            kept = get(self._place(index, shard))
            if kept is None:
                shutil.rmtree(self._place(index, shard), ignore_errors=True)  # its files have gone
                yield index, shard
            else:
                found += 1
                self._take(index, kept)
        if found:
            self.run.progress.say(f"{found:,} of {len(shards):,} shards were done before: kept")

    def work_on(self, shards: Sequence[tuple[int, Shard]], nodes: Nodes) -> None:
        """Have every shard done or set aside."""
        import ray

        parcel = ray.put(self.parcel)
        todo = iter(shards)
        while True:
            self._hand_out(todo, nodes, parcel)
            if not self._under_way:
                break
            done, _ = ray.wait([*self._under_way], num_returns=1, timeout=_LOOK_UP)
            if not done:
                nodes.wait()
            for ref in done:
                self._settle(ref, nodes)
        self.run.nodes.update(nodes.summary())
        for line in nodes.told():
            self.run.progress.say(line)

    def _hand_out(
        self, todo: Iterator[tuple[int, Shard]], nodes: Nodes, parcel: ObjectRef[Parcel]
    ) -> None:
        limit = self.config.in_flight or 2 * nodes.places()
        while len(self._under_way) < limit:
            if self._waiting:
                errand = self._waiting.popleft()
            else:
                following = next(todo, None)
                if following is None:
                    return
                errand = Errand(*following)
            task = nodes.task(do_shard, elsewhere_than=errand.tried)
            ref = task.remote(parcel, errand.shard, errand.index, errand.attempts, errand.reason)
            self._under_way[ref] = errand

    def _settle(self, ref: ObjectRef[Refusal | None], nodes: Nodes) -> None:
        """Take the result of a task, or send its shard on another errand."""
        errand = self._under_way.pop(ref)
        refusal, why = nodes.answer(ref)
        if refusal is not None:
            raise error_named(refusal.kind, refusal.message)
        kept = get(self._place(errand.index, errand.shard, aside=errand.reason is not None))
        if kept is None:
            self._again(errand, why or "its result is not on the storage", nodes)
            return
        nodes.spent(kept.cost)
        self._take(errand.index, kept)

    def _take(self, index: int, kept: Kept) -> None:
        self.results[index] = kept.result
        self.run.job.decider.absorb(kept.statistics)
        self.work.tally(kept.result.balance)
        self.work.advance(kept.result.balance.read)

    def _again(self, errand: Errand, why: str, nodes: Nodes) -> None:
        """Try a shard on another node, or set it aside where it was tried often enough."""
        note = self.parcel.attempts / f"{errand.index:06d}-{errand.attempts}"
        own = _read(note.with_suffix(".why"))
        node = _read(note.with_suffix(".node"))
        errand.attempts += 1
        lost = not own and (not node or why == NODE_LOST or not nodes.is_alive(node))
        why = own or why
        if lost:
            errand.lost += 1
            why = f"its node went ({why})"
        else:
            errand.tried.add(node)
        told = f"shard {errand.index} ({errand.shard.name}) on node {node[:8] or 'unknown'}: {why}"
        failed = errand.attempts - errand.lost
        if failed <= self.config.retries and errand.lost <= NODES_LOST:
            self.run.progress.say(f"warning: {told}; it is tried again")
        elif errand.reason is not None:
            raise SourceError(
                f"{told}; it cannot even be read to set its rows aside: look at the file, or give "
                "ray.memory and ray.timeout room"
            )
        else:
            errand.reason = f"set aside after {errand.attempts} attempts: {why}"
            errand.attempts = errand.lost = 0
            self.run.progress.say(f"warning: {told}; its rows are set aside")
        self._waiting.append(errand)

    def _place(self, index: int, shard: Shard, *, aside: bool = False) -> Path:
        name = shard_name(self.run.job.key, shard, index)
        return self.parcel.place / (f"{name}-aside" if aside else name)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
