"""Did the curation help: the same training on other rows of the same source."""

from __future__ import annotations

import shutil
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
    training_data,
)
from siftset.pipeline.model_registry.registry import MODELS, latest_model
from siftset.pipeline.model_registry.result import COMPARE_JSON, read_result, render_comparison
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.job import Job, load_job
from siftset.pipeline.sources.formats.streams import file_identity
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import json_digest
from siftset.pipeline.storage.table import Store
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
    """A trained model, and what its own folder says that it was trained with."""

    loaded: LoadedRecipe
    data: TrainingData
    model: Path
    config: Train
    seed: int
    steps: int

    @classmethod
    def read_model(cls, loaded: LoadedRecipe, store: Store, model: Path) -> AblationRun:
        """Take the settings and the version from the model's folder, whatever today's recipe says.

        Raises TrainingError where the folder does not say them, or the base model is another now.
        """
        from siftset.trainer.models.content import identify_base

        made = Comparison.model_validate_json((model / COMPARE_JSON).read_bytes()).provenance
        version, seed, settings = made.get("set_version"), made.get("seed"), made.get("settings")
        if not isinstance(settings, dict) or not isinstance(seed, int):
            raise TrainingError(
                f"compare.arms: {model} does not say with which settings it was trained: run  "
                "siftset train --fresh  first"
            )
        config = Train.model_validate(settings)
        if identify_base(config) != made.get("base_content"):
            raise TrainingError(
                f"compare.arms: the base model {config.model} is not the one that {model.name} was "
                "trained from any more: run  siftset train --fresh  first"
            )
        data = training_data(loaded, store, version if isinstance(version, int) else None)
        return cls(loaded, data, model, config, seed, read_result(model).steps)


def run_ablation(
    recipe: RecipeLike, *, overrides: Sequence[str] = (), progress: Progress | None = None
) -> dict[str, JsonValue]:
    """Compare the latest model with ones trained as long on other rows of the source."""
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS_OF_TRAINING)
    model = latest_model(store.output / MODELS)
    run = AblationRun.read_model(loaded, store, model)
    with hold_lock(model.parent):
        table = compare_with_ablation(run, progress or Silent())
        report = render_comparison(model)
    return {"model": str(model), **table.model_dump(mode="json"), "report": str(report)}


def compare_with_ablation(run: AblationRun, progress: Progress) -> ArmsTable:
    """Train the other models, compare all on the set's held-out rows, and write it down.

    Every row read that has a text and that the recipe's split puts into train may be drawn, so
    none sees a held-out text. Raises a SiftsetError.
    """
    from siftset.trainer.comparison import ComparisonRequest, compare_ablation_folders
    from siftset.trainer.training.ablation_card import add_arms

    folder = make_writable_folder(run.model.parent.parent / ARMS / run.model.name)
    arms = _train_models(run, folder, progress)
    ask = ComparisonRequest(compare_section(run.loaded), run.config, run.loaded.folder, run.seed)
    tokens, size = run.config.batch_tokens, run.config.batch_size
    batch = f"batches of {size}" if tokens is None else f"batches of {tokens:,} tokens"
    budget = f"{run.steps:,} steps, {batch}, the same base model and seed"
    with progress.stage("compare arms"):
        table = compare_ablation_folders(arms, run.data, ask, budget=budget)
    path = run.model / COMPARE_JSON
    found = Comparison.model_validate_json(path.read_bytes())
    with atomic_write(path) as draft:
        draft.write_text(found.model_copy(update={"arms": table}).model_dump_json(indent=1))
    add_arms(run.model, table)
    return table


def _train_models(run: AblationRun, folder: Path, progress: Progress) -> dict[str, AblationFolder]:
    """Train what is not there yet; return every model, the curated one's first.

    A model that lies there is taken where it was made of the same rows, settings, seed and steps:
    its folder is named after all of them.
    """
    from siftset.trainer.comparison import AblationFolder
    from siftset.trainer.models.content import identify_base
    from siftset.trainer.train import train_arm

    config = run.config.model_copy(
        update={"max_steps": run.steps, "max_train_samples": None, "early_stopping_patience": None}
    )
    rows = run.data.lineage.rows.get("train", 0)
    size = min(rows, run.config.max_train_samples or rows)
    made_of: dict[str, JsonValue] = {
        "settings": config.model_dump(mode="json"),
        "base": dict(identify_base(config)),
        "seed": run.seed,
        "validation": [file_identity(path) for path in run.data.files.get("validation", ())],
    }
    arms = {CURATED: AblationFolder(str(run.model), size)}
    with _write_training_rows(run, folder, size) as files:
        for name, (path, rows) in files.items():
            key = json_digest({**made_of, "rows": file_identity(path)})[:12]
            out = folder / f"{name.replace(' ', '-')}-{key}"
            data = replace(run.data, files={**run.data.files, "train": (path,)})
            if not out.is_dir():
                progress.say(f"arm '{name}': {rows:,} rows, {run.steps:,} steps")
                train_arm(config, data, out=out, seed=run.seed, progress=progress)
            arms[name] = AblationFolder(str(out), rows)
    for stale in folder.iterdir():
        if str(stale) not in {arm.model for arm in arms.values()}:
            shutil.rmtree(stale)
    return arms


@contextmanager
def _write_training_rows(
    run: AblationRun, folder: Path, size: int
) -> Iterator[Mapping[str, tuple[Path, int]]]:
    """Write the training rows of both other models for as long as they are needed."""
    pool, sample = folder / "everything.parquet", folder / "sample.parquet"
    try:
        ids = _write_pool(load_job(run.loaded), pool, run.config)
        files = list(run.data.files["train"])
        curated = pl.scan_parquet(files).select("row_id").collect()["row_id"]
        gone = int((~curated.is_in(ids.implode())).sum())
        if gone:
            raise TrainingError(
                f"compare.arms: {gone:,} of the set's {len(curated):,} training rows are not in "
                "the source any more: run  siftset curate  and  siftset train  first"
            )
        drawn = np.random.Generator(np.random.PCG64([run.seed, 61]))
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
    for frame in job.read_frames():
        rows = frame.with_columns(job.split())
        rows = rows.filter(usable & (pl.col("split").cast(pl.String) == "train"))
        table = rows.drop("split", "source").to_arrow()
        writer = writer or pq.ParquetWriter(str(path), table.schema, compression="zstd")
        writer.write_table(table)
        ids.append(rows["row_id"])
    if writer is not None:
        writer.close()
    return pl.concat(ids)
