from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from siftset.pipeline.run.progress_file import ProgressFile
from siftset.pipeline.storage.catalog import PROGRESS, read_progress
from siftset.schemas.progress import Silent
from siftset.schemas.results.summary import Balance


def test_what_is_heard_lies_in_the_file(tmp_path: Path) -> None:
    live = ProgressFile(Silent(), tmp_path / "progress.json", "r1", "nike")
    with live.stage("read and sift", 100):
        live.add_balance(Balance(read=10, kept=4, rejected=5, quarantined=1))
    with live.stage("find duplicates", 7) as stage:
        said = json.loads((tmp_path / "progress.json").read_text(encoding="utf-8"))
        stage.advance(3, "half")
    assert said["run_id"] == "r1"
    assert (said["stage"], said["total"], said["done"]) == ("find duplicates", 7, 0)
    assert (said["read"], said["kept"], said["quarantined"]) == (10, 4, 1)


def test_threads_add_up_and_a_refusing_disk_stops_nothing(tmp_path: Path) -> None:
    live = ProgressFile(Silent(), tmp_path / "nowhere" / "progress.json", "r1", "nike")

    def work() -> None:
        for _ in range(200):
            live.add_balance(Balance(read=1, kept=1))

    with live.stage("read", None) as stage:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.advance(1)
    assert live._balance == Balance(read=800, kept=800)


def test_a_run_that_was_killed_is_no_longer_in_progress(tmp_path: Path) -> None:
    work = tmp_path / ".work"
    work.mkdir()
    with ProgressFile(Silent(), work / PROGRESS, "r1", "nike").stage("read and sift"):
        told = read_progress(tmp_path)
    assert told is not None
    assert told["run_id"] == "r1"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (work / PROGRESS).write_text(json.dumps({**told, "process": gone.pid}), encoding="utf-8")
    assert read_progress(tmp_path) is None
