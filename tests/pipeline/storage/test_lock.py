from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siftset.pipeline.storage.lock import hold_lock
from siftset.schemas.errors import Locked

HOLDER = """
import sys, time
from pathlib import Path
from siftset.pipeline.storage.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), str(seconds)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_refused_and_told_who_holds_it(tmp_path):
    with hold(tmp_path, 60) as process:
        try:
            with (
                pytest.raises(Locked, match=f"process {process.pid}") as caught,
                hold_lock(tmp_path),
            ):
                pass
            assert caught.value.exit_code == 5
        finally:
            process.kill()


def test_a_timeout_queues_behind_the_holder(tmp_path):
    with hold(tmp_path, 0.5), hold_lock(tmp_path, timeout=30):
        pass


def test_a_timeout_ends(tmp_path):
    with hold(tmp_path, 60) as process:
        started = time.monotonic()
        with pytest.raises(Locked), hold_lock(tmp_path, timeout=0.3):
            pass
        assert 0.25 < time.monotonic() - started < 10
        process.kill()


def test_the_kernel_frees_the_lock_of_a_killed_holder(tmp_path):
    with hold(tmp_path, 60) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with hold_lock(tmp_path):
        pass
