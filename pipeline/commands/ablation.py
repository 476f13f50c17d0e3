"""Did the curation help: the same training on other rows of the same source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from siftset.pipeline.model_registry.inputs import (
    SECTIONS_OF_TRAINING,
    compare_section,
    train_section,
    training_data,
)
from siftset.pipeline.model_registry.registry import MODELS, latest_model
from siftset.pipeline.model_registry.result import COMPARE_JSON, read_result, render_comparison
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.job import Job, load_job
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.schemas.errors import TrainingError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import ArmsTable, Comparison
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.tasks import TASKS

if TYPE_CHECKING:
    from siftset.trainer.comparison import AblationFolder

ARMS: Final = "arms"
CURATED: Final = "curated"
SAMPLE: Final = "random sample"
EVERYTHING: Final = "everything read"


@dataclass(frozen=True, slots=True)
class AblationRun:
    """A trained model, and what it was trained with."""

    loaded: LoadedRecipe
    data: TrainingData
    model: Path

    @property
    def config(self) -> Train:
        """How the model was trained."""
        return train_section(self.loaded)


def run_ablation(
    recipe: RecipeLike, *, overrides: Sequence[str] = (), progress: Progress | None = None
) -> dict[str, JsonValue]:
    """Compare the latest model with ones trained as long on other rows of the source."""
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS_OF_TRAINING)
    model = latest_model(store.output / MODELS)
    came_from = Comparison.model_validate_json((model / COMPARE_JSON).read_bytes()).provenance
    version = came_from.get("set_version")
    data = training_data(loaded, store, version if isinstance(version, int) else None)
    run = AblationRun(loaded, data, model)
    with hold_lock(model.parent):
        table = compare_with_ablation(run, read_result(model).steps, progress or Silent())
        report = render_comparison(model)
    return {"model": str(model), **table.model_dump(mode="json"), "report": str(report)}


def compare_with_ablation(run: AblationRun, steps: int, progress: Progress) -> ArmsTable:
    """Train the other models, compare all on the set's held-out rows, and write it down.

    Every row read that has a text and that the recipe's split puts into train may be drawn, so
    none sees a held-out text. Raises a SiftsetError.
    """
    from siftset.trainer.comparison import ComparisonRequest, compare_ablation_folders
    from siftset.trainer.training.ablation_card import add_arms

    folder = make_writable_folder(run.model.parent.parent / ARMS / run.model.name)
    arms = _train_models(run, folder, steps, progress)
    ask = ComparisonRequest(
        compare_section(run.loaded), run.config, run.loaded.folder, run.loaded.recipe.seed
    )
    tokens, size = run.config.batch_tokens, run.config.batch_size
    batch = f"batches of {size}" if tokens is None else f"batches of {tokens:,} tokens"
    budget = f"{steps:,} steps, {batch}, the same base model and seed"
    with progress.stage("compare arms"):
        table = compare_ablation_folders(arms, run.data, ask, budget=budget)
    path = run.model / COMPARE_JSON
    found = Comparison.model_validate_json(path.read_bytes())
    with atomic_write(path) as draft:
        draft.write_text(found.model_copy(update={"arms": table}).model_dump_json(indent=1))
    add_arms(run.model, table)
    return table


def _train_models(
    run: AblationRun, folder: Path, steps: int, progress: Progress
) -> dict[str, AblationFolder]:
    """Train what is not there yet; return every model, the curated one's first."""
    from siftset.trainer.comparison import AblationFolder
    from siftset.trainer.train import train_arm

    config = run.config.model_copy(
        update={"max_steps": steps, "max_train_samples": None, "early_stopping_patience": None}
    )
    rows = run.data.lineage.rows.get("train", 0)
    size = min(rows, run.config.max_train_samples or rows)
    arms = {CURATED: AblationFolder(str(run.model), size)}
    with _write_training_rows(run, folder, size) as files:
        for name, (path, rows) in files.items():
            out = folder / name.replace(" ", "-")
            data = replace(run.data, files={**run.data.files, "train": (path,)})
            if not out.is_dir():
                progress.say(f"arm '{name}': {rows:,} rows, {steps:,} steps")
                seed = run.loaded.recipe.seed
                train_arm(config, data, out=out, seed=seed, progress=progress)
            arms[name] = AblationFolder(str(out), rows)
    return arms


@contextmanager
def _write_training_rows(
    run: AblationRun, folder: Path, size: int
) -> Iterator[Mapping[str, tuple[Path, int]]]:
    """Write the training rows of both other models for as long as they are needed."""
    pool, sample = folder / "everything.parquet", folder / "sample.parquet"
    try:
        ids = _write_pool(load_job(run.loaded), pool, run.config)
        _check_rows_in_source(run.data, ids)
        drawn = np.random.Generator(np.random.PCG64([run.loaded.recipe.seed, 61]))
        chosen = ids.sort().gather(drawn.permutation(len(ids))[:size])
        pl.scan_parquet(pool).filter(pl.col("row_id").is_in(chosen.implode())).sink_parquet(sample)
        yield {SAMPLE: (sample, len(chosen)), EVERYTHING: (pool, len(ids))}
    finally:
        for path in (pool, sample):
            path.unlink(missing_ok=True)


def _write_pool(job: Job, path: Path, config: Train) -> pl.Series:
    """Write every row read that training could take; return their ids."""
    import pyarrow.parquet as pq

    usable = pl.col("text").is_not_null() & (pl.col("text").str.strip_chars() != "")
    if TASKS[config.task].labelled:
        usable &= pl.col("label").is_not_null()
    ids, writer = [pl.Series([], dtype=pl.String)], None
    for shard in job.shards:
        for batch in shard.read_batches():
            rows = batch.frame.with_columns(job.split())
            rows = rows.filter(usable & (pl.col("split").cast(pl.String) == "train"))
            table = rows.drop("split", "source").to_arrow()
            writer = writer or pq.ParquetWriter(str(path), table.schema, compression="zstd")
            writer.write_table(table)
            ids.append(rows["row_id"])
    if writer is not None:
        writer.close()
    return pl.concat(ids)


def _check_rows_in_source(data: TrainingData, ids: pl.Series) -> None:
    curated = pl.scan_parquet(list(data.files["train"])).select("row_id").collect()["row_id"]
    gone = int((~curated.is_in(ids.implode())).sum())
    if gone:
        raise TrainingError(
            f"compare.arms: {gone:,} of the set's {len(curated):,} training rows are not in the "
            "source any more: run  siftset curate  and  siftset train  first"
        )
