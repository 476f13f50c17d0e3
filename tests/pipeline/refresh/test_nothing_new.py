from __future__ import annotations

import subprocess
import sys

from siftset.pipeline.refresh import refresh

HEAVY = (
    "pyarrow",
    "urllib.request",
    "siftset.pipeline.commands.publish_run",
    "siftset.pipeline.stages.measures.measure",
    "siftset.schemas.results.comparison",
    "siftset.schemas.results.metrics",
)
"""What a version is made with, and half of what such a refresh would cost."""
PROGRAM = f"""
import sys
from siftset.pipeline.refresh import refresh
assert not refresh(sys.argv[1]).new
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_a_refresh_that_finds_nothing_new_imports_nothing_that_makes_versions(new_world):
    world = new_world()
    world.texts("a", "one text", "another")
    refresh(world.path())
    command = [sys.executable, "-c", PROGRAM, str(world.path())]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
