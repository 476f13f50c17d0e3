"""The nodes of a Ray cluster: how they are reached, what they offer, what they spent."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

from siftset.pipeline.engines.ray.code_shipping import stage_files
from siftset.schemas.errors import RecipeError, SiftsetError
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.remote_function import RemoteFunction

    from siftset.pipeline.engines.ray.worker import Refusal
    from siftset.pipeline.engines.shard_results import ShardCost
    from siftset.pipeline.run.context import CurateRun
    from siftset.schemas.recipe.cluster import Cluster

LOOPBACK: Final = "127.0.0.2"
"""Where a cluster of one machine listens: Ray takes 127.0.0.1 for the machine's outer address."""
NODE_LOST: Final = "the node was lost"
T = TypeVar("T")
R = TypeVar("R")

_POLL: Final = 1.0
_LATE: Final = 1.0
"""Seconds after which a cluster knows that a node was killed."""
_FRESH: Final = 1.0
"""Seconds for which the list of nodes holds."""


@contextmanager
def open_cluster(run: CurateRun) -> Iterator[Nodes]:
    """Connect to the cluster of the recipe, or start one on this machine, for as long as needed."""
    config = run.job.recipe.ray
    with TemporaryDirectory(prefix="siftset-") as folder, restore_handlers():
        connect_cluster(config, stage_files(run.job, Path(folder)))
        try:
            nodes = Nodes(config)
            nodes.wait()
            yield nodes
        finally:
            leave_cluster()


def leave_cluster() -> None:
    """Leave the cluster, and end it where it was started for this run."""
    import ray

    ray.shutdown()


def check_reachable(address: str, seconds: float) -> None:
    """Raise SiftsetError unless something at host:port speaks as Ray does, within a time.

    Ray itself waits for many minutes, and says nothing. Its servers speak gRPC: they answer the
    preface of HTTP/2 (RFC 9113, 3.4) with a frame of settings, number 4.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # auto, local: Ray looks on this machine, which takes no time
    deadline, told = time.monotonic() + seconds, "no answer"
    is_encrypted = os.environ.get("RAY_USE_TLS", "0") != "0"
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=left) as link:
                if is_encrypted:
                    return
                link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                told = "what listens there is not a Ray cluster"
                if link.recv(9)[3:4] == b"\4":
                    return
        except OSError as error:
            told = error.strerror or str(error) or told
        time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
    raise SiftsetError(
        f"the Ray cluster at {address} cannot be reached within {seconds:g} s ({told}): start it, "
        "correct ray.address or RAY_ADDRESS, or give it longer with ray.connect_timeout"
    )


def connect_cluster(config: Cluster, folder: Path | None) -> None:
    """Connect this process to a cluster whose workers find `folder` as their own."""
    import ray

    if ray.is_initialized():
        raise SiftsetError(
            "this process is connected to Ray already, expected none: siftset connects by itself, "
            "to ship what the signals need; call  ray.shutdown()  first"
        )
    environment = {"PYTHONSAFEPATH": "1", "POLARS_MAX_THREADS": str(max(1, int(config.cpus)))}
    wanted: dict[str, object] = {
        "env_vars": {**environment, **config.environment},
    }
    if folder is not None:
        wanted["working_dir"] = str(folder)
    if config.packages:
        wanted["pip"] = list(config.packages)
    address = config.address or os.environ.get("RAY_ADDRESS", "")
    check_reachable(address, config.connect_timeout)
    quiet: dict[str, object] = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address:
            ray.init(address=config.address, runtime_env=wanted, **quiet)
        else:
            here: dict[str, object] = {"include_dashboard": False}
            if sys.platform == "linux":
                here["_node_ip_address"] = LOOPBACK
            ray.init(address="local", runtime_env=wanted, **quiet, **here)
    except (ConnectionError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())[:300]
        raise SiftsetError(
            f"the Ray cluster at {config.address or 'RAY_ADDRESS or this machine'} cannot be "
            f"reached ({told}): expected one that runs the same versions of Ray and Python; see  "
            "ray status"
        ) from None


@contextmanager
def restore_handlers() -> Iterator[None]:
    """Keep stdout and our own answer to SIGTERM, both of which Ray takes for itself."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


class Nodes:
    """The nodes that may take a shard."""

    def __init__(self, config: Cluster) -> None:
        self.config = config
        self.costs: dict[str, list[ShardCost]] = {}
        self._listed: list[dict[str, Any]] = []
        self._asked = 0.0

    def wait(self) -> None:
        """Wait for a node that offers what a shard needs; raises RecipeError where none comes."""
        deadline = time.monotonic() + self.config.wait_for_nodes
        while not self._fitting_nodes():
            if time.monotonic() > deadline:
                offered = [dict(node["Resources"]) for node in self._alive_nodes()]
                raise RecipeError(
                    f"ray: no node offers {self._demand()}, expected one within "
                    f"{self.config.wait_for_nodes:g} seconds; the nodes offer {offered}: lower "
                    "ray.cpus, ray.memory or ray.resources, or start such a node"
                )
            time.sleep(_POLL)

    def count_slots(self) -> int:
        """Return how many shards can be worked on at the same time."""
        return max(1, sum(int(n["Resources"].get("CPU", 0) / self.config.cpus)
                          for n in self._fitting_nodes()))  # fmt: skip

    def is_alive(self, node: str) -> bool:
        """Whether a node still takes part, a moment from now: the cluster hears of it late."""
        time.sleep(_LATE)
        self._asked = 0.0
        return any(found["NodeID"] == node for found in self._alive_nodes())

    def make_task(
        self, function: Callable[..., Refusal | None], *, elsewhere_than: set[str]
    ) -> RemoteFunction:
        """Return a function as a task, on a node other than those given where there is one."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options: dict[str, object] = {
            "num_cpus": self.config.cpus,
            "memory": self.config.memory,
            "resources": self.config.resources or None,
            "max_retries": 0,
        }
        if elsewhere_than:
            others = [
                n["NodeID"] for n in self._fitting_nodes() if n["NodeID"] not in elsewhere_than
            ]
            if others:
                options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(
                    others[0], soft=True
                )
        return ray.remote(function).options(**options)

    def map_tasks(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return function(item) of every item, in order; a lost one is done again.

        The functions must give the same when they are run twice. Raises SiftsetError where the
        cluster gives up.
        """
        import ray
        from ray.exceptions import RayTaskError

        task = ray.remote(function).options(num_cpus=self.config.cpus, max_retries=5)
        found: dict[int, R] = {}
        under_way: dict[ObjectRef[R], int] = {}
        for number, item in enumerate(items):
            while len(under_way) >= 2 * self.count_slots():
                _collect_results(under_way, found)
            under_way[task.remote(item)] = number
        try:
            while under_way:
                _collect_results(under_way, found)
        except RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            raise SiftsetError(
                f"the cluster gave up a task ({type(error).__name__}): look at  ray status  and "
                "run again; the shards that are done are kept"
            ) from None
        return [found[number] for number in range(len(items))]

    def get_answer(self, ref: ObjectRef[Refusal | None]) -> tuple[Refusal | None, str]:
        """Return what a task gave, and why it gave nothing.

        Raises what a defect raised, and SiftsetError where the cluster itself is lost.
        """
        import ray
        from ray import exceptions as e

        try:
            return ray.get(ref), ""
        except e.RuntimeEnvSetupError as error:
            told = " ".join(str(error).split())[:500]
            raise SiftsetError(f"a node cannot prepare the workers' environment: {told}") from None
        except e.RayTaskError as error:
            if not isinstance(error.cause, MemoryError):
                raise
            return None, "its process could not allocate memory"
        except e.NodeDiedError:
            return None, NODE_LOST
        except e.OutOfMemoryError:
            return None, "Ray ended its process because its node ran out of memory"
        except e.RayError as error:
            return None, f"its process died, killed or out of memory ({type(error).__name__})"

    def add_cost(self, cost: ShardCost) -> None:
        """Note what a shard cost."""
        self.costs.setdefault(cost.node, []).append(cost)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return what was spent on each node."""
        return {
            self._name_node(node): {
                "shards": float(len(costs)),
                "rows": float(sum(cost.rows for cost in costs)),
                "seconds": sum(cost.seconds for cost in costs),
                "cpu_seconds": sum(cost.cpu_seconds for cost in costs),
                "peak_bytes": float(max(cost.peak_bytes for cost in costs)),
            }
            for node, costs in self.costs.items()
        }

    def describe_costs(self) -> Iterator[str]:
        """Yield a line for each node: what was done there, and at what cost."""
        for name, cost in self.summary().items():
            rate = cost["rows"] / max(cost["cpu_seconds"], 1e-9)
            yield (
                f"node {name}: {format_count(cost['shards'], 'shard')}, "
                f"{format_count(cost['rows'], 'row')}, {cost['cpu_seconds']:,.1f} CPU seconds, "
                f"{format_count(rate, 'row')} a CPU second, at most "
                f"{cost['peak_bytes'] / 2**20:,.0f} MiB in a process"
            )

    def _name_node(self, node: str) -> str:
        found = next((n for n in self._listed if n["NodeID"] == node), None)
        where = "" if found is None else str(found["NodeManagerAddress"])
        return f"{where}/{node[:8]}"

    def _alive_nodes(self) -> list[dict[str, Any]]:
        import ray

        if time.monotonic() - self._asked > _FRESH:
            self._listed, self._asked = ray.nodes(), time.monotonic()
        return [node for node in self._listed if node["Alive"]]

    def _fitting_nodes(self) -> list[dict[str, Any]]:
        wanted = self._demand()
        return [
            node
            for node in self._alive_nodes()
            if all(node["Resources"].get(name, 0) >= much for name, much in wanted.items())
        ]

    def _demand(self) -> dict[str, float]:
        memory = {} if self.config.memory is None else {"memory": float(self.config.memory)}
        return {"CPU": self.config.cpus, **memory, **self.config.resources}


def _collect_results(under_way: dict[ObjectRef[R], int], found: dict[int, R]) -> None:
    """Take the results of the tasks that are done."""
    import ray

    done, _ = ray.wait([*under_way], num_returns=1, timeout=_POLL)
    for ref in done:
        found[under_way.pop(ref)] = ray.get(ref)
