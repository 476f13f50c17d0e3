"""The populations of a run: what came in, a sample of it, and what was kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.profile.languages import ROWS as LANGUAGE_ROWS
from siftset.pipeline.profile.languages import count_languages
from siftset.pipeline.profile.state import (
    ProfileState,
    Spec,
    profile_batches,
    profile_frame,
    with_tokens,
)
from siftset.pipeline.profile.tokens import count_tokens, tokenizer_file
from siftset.pipeline.run.row_sample import SAMPLE_ROWS
from siftset.schemas.results.profile_metrics import Profile

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.run_outcome import RunOutcome
    from siftset.pipeline.storage.table import DataFile

PROFILE: Final = "profile.json"
KEPT_ROWS: Final = 1_000_000
"""Kept rows that are profiled; of more, a sample by row_id, whose size the page states."""

WORD_ROWS: Final = 10_000
"""Texts whose words are counted; of more, a sample by hash: metrics.json says of how many."""


def profiles(
    run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome
) -> tuple[ProfileState, ProfileState]:
    """Profile a sample of what was read, and what was kept, whose state stays beside the page."""
    frames = [frame for result in results for frame in result.watch.frames]
    sample = pl.concat(frames) if frames else pl.DataFrame()
    read = profile_frame(sample, _share_words(sample.height)) if frames else ProfileState()
    return read, profile_files(run, outcome.fresh)


def profile_files(run: CurateRun, files: Sequence[DataFile]) -> ProfileState:
    """Profile the rows of files, or a sample of very many; the state stays beside the page."""
    rows = sum(file.rows for file in files)
    state = profile_batches(draw_rows(files, KEPT_ROWS), _share_words(rows))
    train = run.job.recipe.train
    path = tokenizer_file(train)
    if path is not None and train is not None:
        texts = draw_rows(files, SAMPLE_ROWS).select("text").drop_nulls().collect()["text"]
        lengths = count_tokens(texts.to_list(), path)
        state = state if lengths is None else with_tokens(state, lengths, train.max_length)
    (run.folder / PROFILE).write_text(state.model_dump_json(), encoding="utf-8")
    return state


def _share_words(rows: int) -> Spec:
    return Spec(word_share=min(1.0, WORD_ROWS / max(rows, 1)))


def draw_rows(files: Sequence[DataFile], wanted: int) -> pl.LazyFrame:
    """Return the rows of files, or about `wanted` of them, chosen by row_id."""
    rows = pl.scan_parquet([file.path for file in files])
    share = min(1.0, wanted / max(sum(file.rows for file in files), 1))
    return rows if share == 1 else rows.filter(pl.col("row_id") < f"{int(share * 16**12):012x}")


def with_languages(shown: Profile, outcome: RunOutcome) -> Profile:
    """Add the languages of a few kept texts, where the extra `language` is installed."""
    files = pl.scan_parquet([file.path for file in outcome.fresh])
    few = files.select("row_id", "text").drop_nulls().bottom_k(LANGUAGE_ROWS, by="row_id").collect()
    found = count_languages(few["text"].to_list()) if few.height else None
    if not found:
        return shown
    return shown.model_copy(update={"languages": found, "language_rows": few.height})
