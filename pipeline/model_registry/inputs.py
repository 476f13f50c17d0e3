"""What a model is made of: the recipe's sections, the files of a version, and their lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import read_json
from siftset.pipeline.storage.remote import public_address
from siftset.pipeline.storage.run_folder import RUNS, json_digest
from siftset.pipeline.storage.table import SET, Commit, Store
from siftset.pipeline.storage.tags import read_tags, tags_of
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.lineage import Lineage, TrainingData

SECTIONS_OF_TRAINING: Final = ("output", "mirror", "train", "compare", "seed")
"""The sections of a recipe that training uses."""
FILES_OF_COMPARE: Final = ("prompts_file", "positive", "negative", "golden", "general")
_SNIPPET: Final = "train: {task: mlm, model: minilm, epochs: 2, learning_rate: 1e-4}"


def train_section(loaded: LoadedRecipe) -> Train:
    """Return the recipe's train section: a model folder absolute, a chat template as its text."""
    config = loaded.recipe.train
    if config is None:
        raise RecipeError(
            f"{loaded.path}: there is no section 'train', add one such as  {_SNIPPET}"
        )
    if config.chat_template.endswith(".jinja"):
        config = config.model_copy(update={"chat_template": _read_chat_template(loaded, config)})
    folder = loaded.resolve(config.model)
    return config.model_copy(update={"model": str(folder)}) if folder.is_dir() else config


def _read_chat_template(loaded: LoadedRecipe, config: Train) -> str:
    path = loaded.resolve(config.chat_template)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RecipeError(
            f"train.chat_template: {path} cannot be read: {reason}; expected a chat template"
        ) from None


def compare_section(loaded: LoadedRecipe) -> Compare:
    """Return the recipe's compare section: files in it made absolute, promotion's metric first."""
    compare = loaded.recipe.compare
    if compare.metric is None and loaded.recipe.refresh.promote_metric is not None:
        compare = compare.model_copy(update={"metric": loaded.recipe.refresh.promote_metric})
    given = {name: getattr(compare, name) for name in FILES_OF_COMPARE}
    files = {name: loaded.resolve(value) for name, value in given.items() if value is not None}
    found = {name: str(path) for name, path in files.items() if path.is_file()}
    return compare.model_copy(update=found)


def training_data(loaded: LoadedRecipe, store: Store, version: int | None) -> TrainingData:
    """Return the files of a version by split, and where they came from."""
    commit = store.current() if version is None else store.commit_of(version)
    if commit is None:
        raise OutputError(f"{store.path} holds no set yet: run  siftset curate  first")
    files = store.split_files(commit.version)
    rows = {
        split: int(pl.scan_parquet(list(paths)).select(pl.len()).collect().item())
        for split, paths in files.items()
    }
    lineage = Lineage(
        recipe=loaded.recipe.name,
        recipe_hash=commit.metadata.get("siftset_recipe", ""),
        set_path=public_address(store.output, SET),
        version=commit.version,
        run_id=commit.run_id,
        formula=commit.metadata.get("siftset_formula_text", loaded.recipe.keep),
        formula_hash=commit.metadata.get("siftset_formula", ""),
        rows=rows,
        leaks=_read_leaks(store.output / RUNS / commit.run_id / "metrics.json"),
        tags=tuple(tags_of(read_tags(store.output), commit.version)),
    )
    # The set's name of every column that the recipe renames: question: text.
    stored = {old: new for new, old in loaded.recipe.prepare.columns.items()}
    for source in loaded.recipe.source:
        named = source.files or source.hub or source.delta or source.frame
        for new in ("text", "label", "id"):
            old = getattr(named, new, None)
            stored |= {old: new} if old is not None and old != new else {}
    return TrainingData(files, lineage, stored, loaded.recipe.split.groups)


def _read_leaks(metrics: Path) -> dict[str, str]:
    """Return how many rows of a split another one holds too, as the set's run found."""
    if not metrics.is_file():
        return {}
    found: dict[str, list[str]] = {}
    leaks = read_json(metrics).get("leakage")
    for leak in leaks if isinstance(leaks, list) else ():
        if isinstance(leak, dict):
            pair = f"{leak.get('left')} in {leak.get('right')}"
            found.setdefault(pair, []).append(f"{leak.get('kind')} {leak.get('rows')}")
    return {pair: ", ".join(counts) for pair, counts in found.items()}


def model_id(config: Train, made: Lineage | Commit, seed: int) -> str:
    """Return the name of the model that a section makes of a version.

    A base model that lies in a folder counts by its content, not by its name.
    """
    from siftset.trainer.models.content import identify_base

    section = config.model_dump(mode="json", exclude_defaults=True, exclude={"distributed"})
    section |= {"processes": config.distributed.processes} if config.distributed else {}
    unique_of: dict[str, JsonValue] = {"train": section, "run": made.run_id, "seed": seed}
    content = identify_base(config)
    unique_of |= {"content": dict(content)} if content else {}
    unique = json_digest(unique_of)
    return f"v{made.version}-{config.task}-{unique[:8]}"
