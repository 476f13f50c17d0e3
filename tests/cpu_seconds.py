"""What tests cost in CPU seconds, which other processes on the machine hardly change.

A test's cost is what its process and the children it waited for spent, from its first fixture to
its last; what a session fixture costs falls to the test that asks first. With `--cpu-budget
SECONDS` a run fails whose tests cost more in the mean. The budget is that of a machine which
counts to a million in REFERENCE seconds, and grows with the time that this one takes.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Generator
from typing import Any

import pytest

REFERENCE = 0.025
NAMED = 10
"""The tests named when a budget is passed."""


def add_option(parser: pytest.Parser) -> None:
    """Add `--cpu-budget` to pytest's options."""
    parser.addoption(
        "--cpu-budget", type=float, metavar="SECONDS",
        help="fail when the tests cost more CPU seconds than this in the mean",
    )  # fmt: skip


def slowness() -> float:
    """Return how much slower this machine counts than the one of the budget; at least 1."""
    best = float("inf")
    for _ in range(3):
        begin, left = time.process_time(), 1_000_000
        while left:
            left -= 1
        best = min(best, time.process_time() - begin)
    return max(1.0, best / REFERENCE)


def spent() -> float:
    """Return the CPU seconds, user and system, of this process and of its reaped children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class CpuSeconds:
    """Plug-in that adds up what each test costs, over the workers of xdist too."""

    def __init__(self, budget: float | None) -> None:
        self.budget = None if budget is None else budget * slowness()
        self.costs: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = spent()
        result = yield
        self.costs[item.nodeid] = spent() - before
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # A worker that died hands over nothing; its tests fail by themselves.
        self.costs |= getattr(node, "workeroutput", {}).get("cpu_seconds", {})

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["cpu_seconds"] = self.costs
        elif self.is_over() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.costs:
            return
        total = sum(self.costs.values())
        told = f"{len(self.costs)} tests cost {total:.0f} CPU s, {self.mean():.2f} each"
        if not self.is_over():
            terminalreporter.write_line(told)
            return
        terminalreporter.write_line(
            f"{told}: more than the budget of {self.budget:.2g} s; make them cheaper, the first "
            f"of all these, or mark them slow",
            red=True,
        )
        costliest = sorted(self.costs.items(), key=lambda cost: -cost[1])[:NAMED]
        for name, seconds in costliest:
            terminalreporter.write_line(f"{seconds:8.2f} s  {name}")

    def mean(self) -> float:
        return sum(self.costs.values()) / max(1, len(self.costs))

    def is_over(self) -> bool:
        return self.budget is not None and self.mean() > self.budget
