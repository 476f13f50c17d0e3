"""What processes that come and go cost, looked at from outside while they run."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.5
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Costs:
    """CPU seconds and the largest memory of each process that was seen."""

    cpu: dict[int, float] = field(default_factory=dict)
    peak: dict[int, int] = field(default_factory=dict)

    def look(self, processes: list[int]) -> None:
        for pid in processes:
            with suppress(OSError):
                told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self.cpu[pid] = (int(told[11]) + int(told[12])) / TICK
                status = Path(f"/proc/{pid}/status").read_text()
                high = re.search(r"Vm(?:HWM|RSS):\s+(\d+) kB", status)
                now = int(high[1]) * 1024 if high else 0
                self.peak[pid] = max(now, self.peak.get(pid, 0))

    def __str__(self) -> str:
        largest = max(self.peak.values(), default=0) / 2**20
        return f"{sum(self.cpu.values()):.1f} CPU s, at most {largest:,.0f} MiB in a process"


@contextmanager
def watched(processes: Callable[[], list[int]]) -> Iterator[Costs]:
    """Look at the processes twice a second while the block runs; what happens between is lost."""
    costs, over = Costs(), threading.Event()

    def work() -> None:
        while not over.wait(EVERY):
            costs.look(processes())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield costs
    finally:
        over.set()
        thread.join()
