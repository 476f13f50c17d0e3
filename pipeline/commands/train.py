"""From a version of the set to a model folder: what is trained on, where it goes, what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.export import open_store
from siftset.pipeline.launch.torchrun import (
    Launch,
    check_arms,
    check_processes,
    launch,
    starts_processes,
)
from siftset.pipeline.model_registry.new_rows import with_new_rows
from siftset.pipeline.model_registry.ranks import leads
from siftset.pipeline.model_registry.result import COMPARE_JSON, RESULT, finished, render_comparison
from siftset.pipeline.remote_output.push import send_output
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder, read_json
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.remote import fetch_model, public_address
from siftset.pipeline.storage.run_folder import RUNS, json_digest
from siftset.pipeline.storage.table import SET, Commit, Store
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, load_recipe
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.schemas.results.summary import TrainResult

MODELS: Final = "models"
COMPARISONS: Final = "comparisons"
_FILES_OF_COMPARE: Final = ("prompts_file", "positive", "negative", "golden", "general")

_SNIPPET: Final = "train: {task: mlm, model: minilm, epochs: 2, learning_rate: 1e-4}"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train, as opposed to what."""

    version: int | None = None
    resume: bool = True
    """Go on where a run was stopped, and do nothing where one is done; False starts anew."""
    again: bool = False
    """Train although a result is there; with `resume`, go on where that was stopped."""
    fetch: bool = False
    """Fetch the embedded model if it is needed and not there."""
    lock_timeout: float = 0.0


def train_recipe(
    recipe: str | Path,
    *,
    overrides: Sequence[str] = (),
    options: TrainOptions | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train the recipe's model on a version of its set and compare it with the one before.

    The model lies in `models/<model_id>`, named after the version, the section and the base; a
    second run of the same returns the first one's result. Raises a SiftsetError.
    """
    wanted, shown = options or TrainOptions(), progress or Silent()
    _, store = open_store(recipe, overrides=overrides, progress=shown)
    loaded = load_recipe(
        recipe, overrides=overrides, uses=("output", "mirror", "train", "compare", "seed")
    )
    config = train_section(loaded)
    data = training_data(loaded, store, wanted.version)
    models = store.output / MODELS
    out = models / model_id(config, data.lineage, loaded.recipe.seed)
    if wanted.resume and not wanted.again and (out / RESULT).is_file():
        fetch_model(out)
        return finished(out)
    check_arms(loaded, config)
    if starts_processes(config):
        launch(Launch(recipe, tuple(overrides), wanted, loaded, config, out), shown)
        send_output(loaded)
        return replace(finished(out), new=True)
    check_processes(config)
    if not leads():
        return _fit(loaded, config, data, out, wanted, shown)
    with hold_lock(make_writable_folder(models), timeout=wanted.lock_timeout):
        result = _fit(loaded, config, data, out, wanted, shown)
        if loaded.recipe.compare.arms:
            from siftset.pipeline.commands.ablation import ArmsRun, compare_with_arms

            run = ArmsRun(recipe, tuple(overrides), loaded, data, out)
            compare_with_arms(run, result.steps, shown)
        report = render_comparison(out)
        write_index(store.output)
        send_output(loaded)
        return replace(result, report=report)


def _fit(
    loaded: LoadedRecipe,
    config: Train,
    data: TrainingData,
    out: Path,
    options: TrainOptions,
    progress: Progress,
) -> TrainResult:
    from siftset.trainer.train import require_extra, train

    require_extra()
    _have_model(config, progress, fetch=options.fetch)
    store, weight = Store(output_folder(loaded)), config.new_rows_weight
    return train(
        config,
        compare_section(loaded),
        with_new_rows(data, store, weight=weight, progress=progress),
        out=out,
        seed=loaded.recipe.seed,
        resume=options.resume,
        progress=progress,
    )


def train_section(loaded: LoadedRecipe) -> Train:
    """Return the recipe's train section, a model folder in it made absolute."""
    config = loaded.recipe.train
    if config is None:
        raise RecipeError(
            f"{loaded.path}: there is no section 'train', add one such as  {_SNIPPET}"
        )
    folder = loaded.resolve(config.model)
    return config.model_copy(update={"model": str(folder)}) if folder.is_dir() else config


def compare_section(loaded: LoadedRecipe) -> Compare:
    """Return the recipe's compare section, files in it made absolute."""
    compare = loaded.recipe.compare
    given = {name: getattr(compare, name) for name in _FILES_OF_COMPARE}
    files = {name: loaded.resolve(value) for name, value in given.items() if value is not None}
    found = {name: str(path) for name, path in files.items() if path.is_file()}
    return compare.model_copy(update=found)


def training_data(loaded: LoadedRecipe, store: Store, version: int | None) -> TrainingData:
    """Return the files of a version by split, and where they came from."""
    number = store.version() if version is None else version
    if number is None:
        raise OutputError(f"{store.path} holds no set yet: run  siftset curate  first")
    commit = store.commit_of(number)
    files = store.split_files(number)
    rows = {split: _height(paths) for split, paths in files.items()}
    return TrainingData(files, _lineage(loaded, store, commit, rows), _renamed(loaded.recipe))


def _renamed(recipe: Recipe) -> dict[str, str]:
    """Return the set's name of every column that the recipe renames: question: text."""
    stored = {old: new for new, old in recipe.prepare.columns.items()}
    for source in recipe.source:
        named = source.files or source.hub or source.delta
        for new in ("text", "label", "id"):
            old = getattr(named, new, None)
            stored |= {old: new} if old is not None and old != new else {}
    return stored


def _lineage(loaded: LoadedRecipe, store: Store, commit: Commit, rows: dict[str, int]) -> Lineage:
    return Lineage(
        recipe=loaded.recipe.name,
        recipe_hash=commit.metadata.get("siftset_recipe", ""),
        set_path=public_address(store.output, SET),
        version=commit.version,
        run_id=commit.run_id,
        formula=commit.metadata.get("siftset_formula_text", loaded.recipe.keep),
        formula_hash=commit.metadata.get("siftset_formula", ""),
        rows=rows,
        leaks=_leaks(store.output / RUNS / commit.run_id / "metrics.json"),
    )


def _leaks(metrics: Path) -> dict[str, str]:
    """Return how many rows of a split another one holds too, as the set's run found."""
    if not metrics.is_file():
        return {}
    found: dict[str, list[str]] = {}
    for leak in _list(read_json(metrics).get("leakage")):
        if isinstance(leak, dict):
            pair = f"{leak.get('left')} in {leak.get('right')}"
            found.setdefault(pair, []).append(f"{leak.get('kind')} {leak.get('rows')}")
    return {pair: ", ".join(counts) for pair, counts in found.items()}


def model_id(config: Train, lineage: Lineage, seed: int) -> str:
    """Return the name of the model that a section makes of a version."""
    section = config.model_dump(mode="json", exclude_defaults=True, exclude={"distributed"})
    section |= {"processes": config.distributed.processes} if config.distributed else {}
    unique = json_digest({"train": section, "run": lineage.run_id, "seed": seed})
    return f"v{lineage.version}-{config.task}-{unique[:8]}"


def compare_models(
    recipe: str | Path,
    *,
    before: str | None = None,
    after: str | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, JsonValue]:
    """Compare two models (by default the base and the latest trained) and return the figures."""
    loaded, store = open_store(recipe, overrides=overrides)
    config = train_section(loaded)
    new = _named(after) if after is not None else str(latest_model(store))
    old = _named(before) if before is not None else config.model
    from siftset.trainer.comparison import Ask, compare_folders
    from siftset.trainer.train import require_extra

    require_extra()
    data = training_data(loaded, store, None)
    ask = Ask(compare_section(loaded), config, loaded.folder, loaded.recipe.seed)
    with (progress or Silent()).stage("compare"):
        found = compare_folders(old, new, data, ask)
    folder = store.output / COMPARISONS / json_digest([old, new, data.lineage.run_id])[:12]
    make_writable_folder(folder)
    with atomic_write(folder / COMPARE_JSON) as draft:
        draft.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    return {
        "task": found.task,
        "before": old,
        "after": new,
        "metrics": {side: dict(values) for side, values in found.metrics.items()},
        "report": str(render_comparison(folder)),
    }


def latest_model(store: Store) -> Path:
    """Return the folder of the model trained last."""
    return latest_of(store.output / MODELS)


def latest_of(models: Path) -> Path:
    """Return the folder in `models` of the model trained last."""
    found = [p for p in models.glob(f"*/{RESULT}") if not p.parent.is_symlink()]
    if not found:
        raise OutputError(f"{models} holds no model yet: run  siftset train  first")
    latest = max(found, key=lambda path: path.stat().st_mtime).parent
    fetch_model(latest)
    return latest


def wants_embedded_model(recipe: str, overrides: Sequence[str] = ()) -> bool:
    """Say whether training needs the embedded model and the cache lacks it."""
    from siftset.trainer.models.embedded import EMBEDDED, is_fetched

    train = load_recipe(recipe, overrides=overrides, uses=("train",)).recipe.train
    return train is not None and train.model in EMBEDDED and not is_fetched()


def _have_model(config: Train, progress: Progress, *, fetch: bool) -> None:
    from siftset.trainer.models.embedded import EMBEDDED, fetch_embedded, is_fetched

    if fetch and config.model in EMBEDDED and not is_fetched() and leads():
        fetch_embedded(progress)


def _named(model: str) -> str:
    here = Path(model).expanduser()
    if here.name == "latest" and here.parent.is_dir() and not here.exists():
        return str(latest_of(here.parent).resolve())
    if here.is_dir():
        fetch_model(here)
        return str(here.resolve())
    return model


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _height(paths: Sequence[Path]) -> int:
    return int(pl.scan_parquet(list(paths)).select(pl.len()).collect().item())
