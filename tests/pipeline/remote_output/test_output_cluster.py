"""An output in a store that a cluster fills: nodes share the folder of the work, not the store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

SIFTSET = str(Path(sys.executable).parent / "siftset")


@pytest.mark.slow
def test_a_cluster_fills_a_store_from_the_folder_that_its_nodes_share(machines, monkeypatch):
    world = machines.world
    for file in range(3):
        world.lines(f"in/{file}.jsonl", "no", *(f"text number {n}" for n in range(file, file + 9)))
    work = world.folder / "shared"
    monkeypatch.setenv("SIFTSET_WORK", str(work))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = subprocess.run(
        [SIFTSET, "curate", str(machines("one")), "--engine", "ray", "--json"],
        cwd=world.folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"output {machines.address}, worked on in {work / 't'}" in done.stderr
    (node,) = json.loads(done.stdout.splitlines()[-1])["nodes"].values()
    assert node["shards"] == 3
    monkeypatch.delenv("SIFTSET_WORK")
    assert machines.set().equals(machines.full())
    assert not any(".shards" in name for name in machines.names())
    assert not (work / "t/.shards").exists()
    assert not machines.run("curate", machines("two"))["new"]
