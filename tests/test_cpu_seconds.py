"""A suite that costs more CPU than its budget fails and says which tests cost most."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("cpu_seconds", Path(__file__).parent / "costs.py")
costs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(costs)
pytest_addoption = costs.add_option

def pytest_configure(config):
    config.pluginmanager.register(costs.CpuSeconds(config.getoption("cpu_budget")))
"""
TESTS = """
import subprocess, sys, time
import pytest

BURN = "import time\\nwhile time.process_time() < 0.3: pass"

def test_here():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass

def test_in_a_child():
    subprocess.run([sys.executable, "-c", BURN], check=True)

@pytest.mark.parametrize("n", range(10))
def test_that_waits(n):
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    shutil.copy(Path(__file__).with_name("cpu_seconds.py"), folder / "costs.py")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "test_toy.py").write_text(TESTS, "utf-8")
    return folder


def run(suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
    bare = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(suite)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *bare, *options, str(suite)],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_passed_budget_fails_and_names_the_dearest(suite: Path):
    done = run(suite, "-p", "xdist.plugin", "-n", "2", "--cpu-budget", "0.02")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "12 passed" in done.stdout
    lines = done.stdout.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("12 tests cost"))
    assert "more than the budget of 0.0" in lines[at]
    named = [line.rpartition("::")[2] for line in lines[at + 1 : at + 11]]
    assert set(named[:2]) == {"test_here", "test_in_a_child"}
    assert all(name.startswith("test_that_waits") for name in named[2:])
    assert all(float(line.split()[0]) >= 0.3 for line in lines[at + 1 : at + 3])


def test_within_the_budget_one_line_says_what_the_tests_cost(suite: Path):
    done = run(suite, "--cpu-budget", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("12 tests cost"))
    assert "budget" not in told
