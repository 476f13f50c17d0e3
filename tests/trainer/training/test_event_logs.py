from __future__ import annotations

import pytest

from siftset.schemas.recipe.train import Train
from siftset.trainer.training.session import Session


def test_event_logs_stay_beside_the_models(small_set, tiny_bert, tmp_path, progress):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = Train(
        task="mlm", model=str(tiny_bert), max_steps=6, logging_steps=2, report_to=("tensorboard",)
    )
    session = Session(config, small_set, tmp_path / "m", seed=3, progress=progress)
    with session.quiet_libraries():
        session.prepare(resume=False)
        session.fit()
    session.remove_work()
    events = EventAccumulator(str(tmp_path / "logs" / "m"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4, 6]
    assert "eval/perplexity" in events.Tags()["scalars"]
