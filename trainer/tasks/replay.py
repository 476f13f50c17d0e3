"""General text mixed into the training rows, so that a model forgets less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Replay
from siftset.trainer.tasks.reading import choose_sample, count_rows


def write_replay(replay: Replay, files: Sequence[Path], work: Path, seed: int) -> tuple[Path, int]:
    """Write a seeded sample of general text that makes `share` of the training rows.

    Returns its Parquet file and how many rows it has: fewer where there is not enough text.
    """
    text = read_general_text(Path(replay.path))
    wanted = round(count_rows(files) * replay.share / (1 - replay.share))
    frame = text.filter(pl.Series(choose_sample(text.height, wanted, seed + 1)))
    path = work / "replay.parquet"
    frame.write_parquet(path)
    return path, frame.height


def read_general_text(path: Path) -> pl.DataFrame:
    """Read the column `text` of a Parquet or JSON Lines file, or the lines of a text file."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
    }
    try:
        if path.suffix == ".txt":
            lines = path.read_text(encoding="utf-8").splitlines()
            frame = pl.DataFrame({"text": lines}, schema={"text": pl.String})
        elif path.suffix in readers:
            frame = readers[path.suffix](path)
        else:
            raise TrainingError(
                f"train.replay.path: '{path.name}' must end in .txt, {', '.join(readers)}"
            )
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"train.replay.path: {path} cannot be read: {reason}") from error
    if "text" not in frame.columns:
        raise TrainingError(
            f"train.replay.path: {path} has no column 'text' (it has {', '.join(frame.columns)})"
        )
    text = frame.select(pl.col("text").cast(pl.String))
    return text.filter(pl.col("text").str.strip_chars().str.len_chars() > 0)
