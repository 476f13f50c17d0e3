"""A refresh that reads no row judges the set anew where the gate reads something else."""

from __future__ import annotations

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh import refresh_set
from siftset.schemas.errors import GateFailed

LEAK = {"held_out": "held.txt", "thresholds": {"leaked_rows": {"critical": 0}}}
OWN = {"metrics": {"share": "mine.py:share"}, "thresholds": {"share": {"critical": 0.5}}}
FILES = {
    "held.txt": "some entirely other text\n",
    "mine.py": "from helper import share_of\n\ndef share(kept):\n    return share_of(kept)\n",
    "helper.py": "def share_of(kept):\n    return 0.1\n",
}
WAYS = {
    "a held-out text": (LEAK, "held.txt", "some entirely other text", "text of number 3", "leaked"),
    "a helper of a metric": (OWN, "helper.py", "0.1", "0.9", "share"),
    "a limit": (OWN, "", "", "", "share"),
}


@pytest.mark.parametrize("run", [curate, refresh_set])
@pytest.mark.parametrize("way", WAYS)
def test_what_the_gate_reads_is_judged_when_it_changes(new_world, way: str, run) -> None:
    integrity, file, old, new, told = WAYS[way]
    world = new_world(integrity=integrity, analysis="sample")
    for name, text in FILES.items():
        (world.folder / name).write_text(text, "utf-8")
    world.texts("a", *(f"text of number {n}" for n in range(9)))
    first = run(world.path())
    assert run(world.path()).new is False
    if file:
        (world.folder / file).write_text(FILES[file].replace(old, new), "utf-8")
    else:
        world.change(integrity={**integrity, "thresholds": {"share": {"critical": 0.05}}})
    with pytest.raises(GateFailed, match=told):
        run(world.path())
    assert world.set().height == first.set_rows == 9


def test_a_set_that_passes_is_published_as_it_is_and_then_nothing_is_new(new_world) -> None:
    world = new_world(integrity=LEAK, analysis="sample")
    (world.folder / "held.txt").write_text(FILES["held.txt"], "utf-8")
    world.texts("a", *(f"text of number {n}" for n in range(9)))
    world.refresh()
    before = world.set()
    (world.folder / "held.txt").write_text("another text\n", "utf-8")
    found = world.refresh()
    assert (found.new, found.version, found.rows.read, found.set_rows) == (True, 1, 0, 9)
    assert world.set().equals(before)
    metrics = read_metrics(found.report.with_name(METRICS))
    assert metrics.run.incremental
    assert world.refresh().new is False
    world.texts("b", "text of number 20")
    assert world.refresh().set_rows == 10
