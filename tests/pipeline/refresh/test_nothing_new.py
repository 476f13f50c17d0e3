from __future__ import annotations

import subprocess
import sys

from deltalake import DeltaTable

from siftset.pipeline.refresh import refresh

HEAVY = (
    "pyarrow",
    "urllib.request",
    "siftset.pipeline.commands.publish_run",
    "siftset.pipeline.stages.measures.measure",
    "siftset.schemas.results.comparison",
    "siftset.schemas.results.metrics",
    "siftset.pipeline.sources.sniff.dialect",
    "siftset.pipeline.stages.dedupe",
    "siftset.signals.static_vectors.model",
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


def test_a_day_opens_the_table_as_often_however_many_days_there_are(new_world, monkeypatch):
    """Each opening reads the log of all versions: 34 a day made a day cost more every day."""
    world = new_world()
    opened: list[object] = []
    plain = DeltaTable.__init__

    def counted(self: DeltaTable, *given: object, **more: object) -> None:
        opened.append(given)
        plain(self, *given, **more)

    monkeypatch.setattr(DeltaTable, "__init__", counted)
    for day in range(3):
        world.texts(f"day-{day}", f"one text {day}", f"another {day}")
        opened.clear()
        refresh(world.path())
    assert len(opened) <= 10
