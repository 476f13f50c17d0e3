from __future__ import annotations

import polars as pl
import pytest

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Replay, Train
from siftset.trainer.training.session import Session


@pytest.mark.parametrize("ending", [".txt", ".jsonl", ".parquet"])
def test_general_text_makes_its_share_of_the_rows(ending, tiny_bert, small_set, tmp_path, progress):
    general = tmp_path / f"general{ending}"
    frame = pl.DataFrame({"text": ["the ball is cold", " ", *["it was not a hat"] * 200]})
    if ending == ".txt":
        general.write_text("\n".join(frame["text"]))
    else:
        {".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[ending](general)
    config = Train(
        task="mlm",
        model=str(tiny_bert),
        line_by_line=True,
        replay=Replay(path=str(general), share=0.2),
    )
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    session.prepare(resume=False)
    assert len(session.tokens["train"]) == 96 + 24
    assert len(session.tokens["validation"]) == 24
    assert any("replay: 24 rows" in line for line in progress.lines)


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("mlm", "absent.txt", "cannot be read"),
        ("mlm", "odd.csv", "must end in .txt"),
        ("mlm", "other.parquet", "has no column 'text' (it has words)"),
        ("classification", "other.parquet", "mixes in plain text"),
    ],
)
def test_what_cannot_be_replayed(task, name, message, tiny_bert, small_set, tmp_path, progress):
    pl.DataFrame({"words": ["a"]}).write_parquet(tmp_path / "other.parquet")
    config = Train(task=task, model=str(tiny_bert), replay=Replay(path=str(tmp_path / name)))
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    with pytest.raises(TrainingError) as error:
        session.prepare(resume=False)
    assert message in str(error.value)
