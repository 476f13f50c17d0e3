"""One model fitted to one version of the set: what the command and each training process run."""

from __future__ import annotations

from pathlib import Path

from siftset.pipeline.model_registry.inputs import compare_section, train_section
from siftset.pipeline.model_registry.new_rows import weight_new_rows
from siftset.pipeline.model_registry.options import TrainOptions
from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.results.summary import TrainResult


def fit_model(
    loaded: LoadedRecipe,
    store: Store,
    data: TrainingData,
    out: Path,
    options: TrainOptions,
    progress: Progress,
) -> TrainResult:
    """Train the recipe's model on `data` into the folder `out`; raises a SiftsetError.

    Of several processes each calls this, and the main one writes.
    """
    from siftset.trainer.train import require_extra, train

    require_extra()
    config = train_section(loaded)
    if options.fetch and is_main_process() and lacks_embedded_model(config):
        from siftset.trainer.models.embedded import fetch_embedded

        fetch_embedded(progress)
    return train(
        config,
        compare_section(loaded),
        weight_new_rows(data, store, weight=config.new_rows_weight, progress=progress),
        out=out,
        seed=loaded.recipe.seed,
        resume=options.resume,
        progress=progress,
    )


def lacks_embedded_model(config: Train | None) -> bool:
    """Say whether training needs the embedded model and the cache lacks it."""
    from siftset.trainer.models.embedded import EMBEDDED, is_fetched

    return config is not None and config.model in EMBEDDED and not is_fetched()
