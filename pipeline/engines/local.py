"""Shards on the threads of this machine."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = "shard"
GRACE: Final = 2.0
"""Seconds that work under way has to notice that the run ends."""
_LOOK_UP: Final = 0.1


def default_workers() -> int:
    """Return how many threads suit this machine: SIFTSET_WORKERS, else one a core."""
    chosen = os.environ.get("SIFTSET_WORKERS", "")
    if chosen.isdigit():
        return max(1, int(chosen))
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_ordered(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int | None = None,
    stop: threading.Event | None = None,
) -> Iterator[R]:
    """Yield function(item) in the order of the items, some of them worked on at the same time.

    At most two items a worker are under way. On an error, or when the caller stops, `stop` is set,
    what has not begun is dropped, and what has begun is waited for, but not long.
    """
    count = workers or default_workers()
    if count == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(count, thread_name_prefix=THREADS)
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) >= 2 * count:
                yield _await_result(under_way[0])
                under_way.popleft()
        while under_way:
            yield _await_result(under_way[0])
            under_way.popleft()
    except BaseException:
        if stop is not None:
            stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(under_way, timeout=GRACE)
        raise
    pool.shutdown()


def _await_result(future: Future[R]) -> R:
    """Wait for a result, looking up often: polars' own handler of SIGINT restarts a long wait."""
    while not wait((future,), timeout=_LOOK_UP).done:
        pass
    return future.result()
