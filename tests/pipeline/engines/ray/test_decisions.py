"""What people decided holds on a cluster as on one machine."""

from __future__ import annotations

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.run.job import load_job

pytest.importorskip("ray")
SAID = {
    "0": {"decision": "drop"},
    "3": {"decision": "keep"},
    "5": {"decision": "relabel", "label": "b"},
    "7": {"decision": "edit", "text": "good again"},
    "8": {"decision": "edit", "text": "good, no longer null"},
}


@pytest.mark.slow
def test_the_engines_make_the_same_set(new_world):
    import ray

    world = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "id": "id", "label": "label"}},
        review={},
        ray={"exchange_above": 1},
    )
    texts = ("good one", "good two", "nice three", "bad four")
    for file in range(3):
        rows = [
            {"id": str(4 * file + n), "text": None if file == 2 and n == 0 else text, "label": "a"}
            for n, text in enumerate(texts)
        ]
        world.write(f"f{file}", rows)
    job = load_job(world.path())
    frame = job.sources.frame()
    seen = hash_records(frame, job.read_schema)
    for row_id, number, record in zip(frame["row_id"], frame["id"], seen, strict=True):
        if number in SAID:
            fields = {"row_id": row_id, "seen": record, "by": "anna", **SAID[number]}
            append_events(world.folder / "review/anna.jsonl", [Decision.model_validate(fields)])
    found = {}
    try:
        for engine in ("local", "ray"):
            overrides = [f"output={world.folder / engine}"]
            options = CurateOptions(engine=engine)
            result = curate(world.path(), overrides=overrides, options=options)
            rows = world.set(world.folder / engine)
            found[engine] = (rows.rows(), result.rows.to_json(), result.by_hand)
    finally:
        ray.shutdown()
    assert found["ray"] == found["local"]
    assert found["local"][2] == {"kept": 1, "dropped": 1, "relabelled": 1, "edited": 2}
    assert "good one" not in rows["text"]  # the dropped row took its duplicates along
