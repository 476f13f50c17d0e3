"""What was acknowledged outlives a writer that is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siftset.pipeline.decisions.log import DecisionLog

KILLS = 6
WRITER = """
import sys
from pathlib import Path
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision

path, start = Path(sys.argv[1]), int(sys.argv[2])
for number in range(start, start + 100_000):
    row = f"{number:032x}"
    # long lines, so that a kill may meet one half written
    one = Decision(row_id=row, seen="0" * 16, decision="drop", by="anna", reason="x" * 3_000)
    append_events(path, [one])
    print(row, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_nothing_acknowledged_is_lost_to_six_kills(tmp_path: Path):
    path, log = tmp_path / "anna.jsonl", tmp_path / "acknowledged"
    draw = random.Random(3)
    for turn in range(KILLS):
        with (log.with_suffix(f".{turn}")).open("wb") as told:
            arguments = [sys.executable, "-c", WRITER, str(path), str(turn * 1_000_000)]
            writer = subprocess.Popen(arguments, stdout=told)
            deadline = time.monotonic() + 60
            while not log.with_suffix(f".{turn}").stat().st_size and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(draw.uniform(0.1, 0.6))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        if turn == KILLS // 2:  # and a line that was cut off, whether or not a kill made one
            path.write_bytes(path.read_bytes() + b'{"event":"cut')
    acknowledged = [
        line
        for turn in range(KILLS)
        for line in log.with_suffix(f".{turn}").read_text().split("\n")
        if len(line) == 32
    ]
    found = DecisionLog(str(path))
    found.update()
    assert len(acknowledged) > 6 * KILLS
    assert set(acknowledged) <= set(found.row_ids)
