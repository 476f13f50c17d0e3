"""A cluster of several raylets on loopback, each of them a node that can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

RAYLET = "/raylet --raylet_socket_name"
RAY = Path(sys.executable).parent / "ray"


@dataclass
class Raylets:
    """The head and the other nodes, by their number; 127.0.0.2 is the head's address."""

    port: int
    folder: Path
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.2:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs to find this cluster, and only this one."""
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(self.folder)}
        return {**os.environ, **quiet, "RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "disabled"}

    def start(self, cpus: int = 1) -> int:
        """Start another node and return its number; the first one is the head."""
        number = len(self.nodes)
        where = ["--head", f"--port={self.port}", "--include-dashboard=false"]
        command = [str(RAY), "start", "--block", f"--num-cpus={cpus}"]
        command += [f"--node-ip-address=127.0.0.{number + 2}", "--object-store-memory=100000000"]
        command += [f"--temp-dir={self.folder / str(number)}"]
        command += where if number == 0 else [f"--address={self.address}"]
        environment = {k: v for k, v in self.environment.items() if k != "RAY_ADDRESS"}
        with (self.folder / f"node{number}.log").open("wb") as log:
            self.nodes.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)
            )
        self._wait_for(number)
        return number

    def _wait_for(self, number: int) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.2", self.port), 1):
                if self.processes(number, RAYLET):
                    return
            time.sleep(0.2)
        raise TimeoutError((self.folder / f"node{number}.log").read_text())

    def processes(self, number: int, name: str = "") -> list[int]:
        """Return the processes of a node whose command line holds `name`."""
        return [pid for pid in _below(self.nodes[number].pid) if name in _command(pid)]

    def kill(self, number: int) -> None:
        """Kill everything of a node with -9, its raylet first."""
        raylets = self.processes(number, RAYLET)
        for pid in [*raylets, *_below(self.nodes[number].pid), self.nodes[number].pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.nodes[number].wait(30)


@contextmanager
def raylets(nodes: int = 3, cpus: int = 1) -> Iterator[Raylets]:
    """Start a cluster and end every process of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
    cluster = Raylets(port, folder)
    try:
        for _ in range(nodes):
            cluster.start(cpus)
        yield cluster
    finally:
        for number in reversed(range(len(cluster.nodes))):
            cluster.kill(number)
        shutil.rmtree(folder, ignore_errors=True)


def _below(parent: int) -> list[int]:
    """Return all descendants of a process."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            above = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(above, []).append(int(stat.parent.name))
    found, left = [], [parent]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""
