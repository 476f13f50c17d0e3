"""Rows that the version trained on before lacks, given more weight in the next training."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from siftset.pipeline.model_registry.registry import MODELS, list_models
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress
from siftset.schemas.results.lineage import TrainingData

FOLDER: Final = ".new_rows"


def weight_new_rows(
    data: TrainingData, store: Store, *, weight: int, progress: Progress
) -> TrainingData:
    """Return data in which the training rows that are new count `weight` times.

    New are those that the latest version before with a model of its own lacks; without such a
    version none are. Held-out rows stay as they are.
    """
    version, train = data.lineage.version, data.files.get("train", ())
    trained = list_models(store.output)
    before = max((v for v in trained if version is not None and v < version), default=None)
    if weight == 1 or before is None or not train:
        return data
    known = store.scan(before).select("row_id")
    rows = pl.scan_parquet(list(train), missing_columns="insert")
    new = rows.join(known, on="row_id", how="anti", maintain_order="left").collect()
    if not new.height:
        return data
    folder = make_writable_folder(store.output / MODELS / FOLDER)
    path = folder / f"v{version}-over-v{before}.parquet"
    with atomic_write(path) as draft:
        new.write_parquet(draft)
    progress.say(
        f"{new.height:,} training rows are new since version {before}: each {weight} times"
    )
    return replace(data, files={**data.files, "train": (*train, *(path,) * (weight - 1))})
