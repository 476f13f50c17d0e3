"""Runs before the run: a search for settings, and k-fold cross-validation."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from siftset.schemas.errors import Interrupted, MissingExtraError, ModelError, TrainingError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.train import Search, Train
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.results.trials import FoldFigure, SearchFound, SearchTrial, Settings, Trials
from siftset.trainer.data.groups import find_groups
from siftset.trainer.metrics.bootstrap import finite
from siftset.trainer.models.saving import save_json
from siftset.trainer.training.arguments import greater_is_better
from siftset.trainer.training.checkpoints import has_key, open_work, run_key
from siftset.trainer.training.session import Session

SEARCHED: Final = ("learning_rate", "batch_size", "epochs")
CHOOSING: Final = 10
"""One part in so many of a fold's training rows decides which checkpoint is kept."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Where and how short runs are made."""

    data: TrainingData
    folder: Path
    seed: int
    progress: Progress
    group: str | None = None
    """The column whose equal values belong together, as in the comparison."""
    check: Callable[[Session], None] | None = None
    """Looks at a run before it takes long, for what the training after the trials needs."""

    def run(
        self,
        config: Train,
        name: str,
        data: TrainingData | None = None,
        measured: Sequence[Path] = (),
    ) -> dict[str, float]:
        """Train without comparing or keeping anything; return figures of `measured` rows.

        By default those are the validation rows. What an interrupted run found is not tried again.
        """
        known = self.folder / f"{name}.json"
        if known.is_file():
            found: dict[str, float] = json.loads(known.read_text(encoding="utf-8"))
            return found
        session = Session(
            config, data or self.data, self.folder / name, seed=self.seed, progress=Silent()
        )
        with session.quiet_libraries():
            session.prepare(resume=True, check=self.check)
            session.fit()
            figures = session.measure_files(measured or session.data.files["validation"])
        session.remove_work()
        save_json(dict(figures), known)
        return figures


def check_single(config: Train, processes: int) -> None:
    """Raise TrainingError where trials are asked for that cannot be made."""
    if (config.search or config.folds) and processes > 1:
        raise TrainingError(
            "train.search and train.folds run in one process: start without torchrun, then train "
            "with the settings that were found"
        )
    if (config.search or config.folds) and config.eval_strategy == "no":
        raise TrainingError(
            "train.search and train.folds need  train.eval_strategy: epoch  or steps"
        )


def without_trials(config: Train) -> Train:
    """Return the settings of one run."""
    return config.model_copy(update={"search": None, "folds": None})


def search_settings(config: Train, search: Search, trial: Trial) -> tuple[Train, SearchFound]:
    """Try settings with optuna (TPE, seeded); return the best ones and all that was tried."""
    if find_spec("optuna") is None:
        raise MissingExtraError("train.search", "search")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    choices = {name: getattr(search, name) for name in SEARCHED if getattr(search, name)}
    tried: dict[tuple[float, ...], float] = {}
    study = optuna.create_study(
        direction="maximize" if greater_is_better(config) else "minimize",
        sampler=optuna.samplers.TPESampler(seed=trial.seed % 2**32),
    )

    def attempt(asked: optuna.Trial) -> float:
        made = {name: asked.suggest_categorical(name, values) for name, values in choices.items()}
        key = tuple(made.values())
        if key not in tried:
            setting = without_trials(config).model_copy(update=made)
            name = "-".join(f"{key}-{value}" for key, value in made.items())
            value = trial.run(setting, name)[setting.metric_for_best_model]
            shown = ", ".join(f"{key} {choice}" for key, choice in made.items())
            trial.progress.say(f"search: {shown}: {setting.metric_for_best_model} {value:.4f}")
            tried[key] = value
        return tried[key]

    with trial.progress.stage("search", search.trials) as stage:
        study.optimize(attempt, n_trials=search.trials, callbacks=[lambda *_: stage.advance(1)])
    trials = (
        SearchTrial(settings=dict(zip(choices, key, strict=True)), value=finite(value))
        for key, value in tried.items()
    )
    chosen: Settings = dict(study.best_params)
    found = SearchFound(metric=config.metric_for_best_model, trials=tuple(trials), chosen=chosen)
    return config.model_copy(update={**chosen, "search": None}), found


def cross_validate(config: Train, folds: int, trial: Trial) -> tuple[FoldFigure, ...]:
    """Train on k - 1 parts and measure on the other, k times; rows alike stay in one part.

    Which checkpoint of a fold is the best is decided on a tenth of the rows it trains on, never on
    those that its figures are of.
    """
    files = trial.data.files  # the test split is never trained on
    paths = [*files.get("train", ()), *files.get("validation", ())]
    rows = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")
    parts = assign_folds(rows, folds, trial.seed, trial.group, trial.data.group)
    if parts.n_unique() < folds:
        raise TrainingError(
            f"train.folds: {format_count(folds, 'fold')} {conjugate(folds, 'need')} as many "
            f"different texts, found {parts.n_unique()}"
        )
    found: list[dict[str, float]] = []
    with trial.progress.stage("cross-validation", folds) as stage:
        for k in range(folds):
            data, measured = _write_fold(trial, rows, parts, k)
            found.append(trial.run(without_trials(config), f"fold-{k}", data, measured))
            stage.advance(1)
    return tuple(_fold_figure(name, [one[name] for one in found]) for name in found[0])


def assign_folds(
    rows: pl.DataFrame,
    folds: int,
    seed: int,
    group: str | None = None,
    split_group: Sequence[str] = (),
) -> pl.Series:
    """Return the fold of every row: label by label, groups in a seeded order, each to the fold
    that has the fewest rows of the label, and among those the fewest of all.

    Groups are those that a comparison draws together: of equal texts, or of one value of `group`;
    and those that the splits of the set keep together.
    """
    numbers = find_groups(rows, group, split_group) if "text" in rows.columns else None
    labels = rows["label"].to_list() if "label" in rows.columns else [""] * rows.height
    table = pl.DataFrame(
        {
            "group": np.arange(rows.height) if numbers is None else numbers,
            "label": list(map(str, labels)),
        }
    )
    groups = table.group_by("group", maintain_order=True).agg(
        pl.col("label").first(), pl.len().alias("rows")
    )
    order = np.random.Generator(np.random.PCG64([seed, 5])).permutation(groups.height)
    filled = np.zeros(folds, dtype=np.int64)
    by_label = {label: np.zeros(folds, dtype=np.int64) for label in groups["label"].unique()}
    fold_of: dict[int, int] = {}
    for number, label, n in groups[order.tolist()].iter_rows():
        own = by_label[label]
        fold = int(np.lexsort((filled, own))[0])
        fold_of[number] = fold
        own[fold] += n
        filled[fold] += n
    return table["group"].replace_strict(fold_of, return_dtype=pl.Int64)


def _write_fold(
    trial: Trial, rows: pl.DataFrame, parts: pl.Series, k: int
) -> tuple[TrainingData, Sequence[Path]]:
    """Write the rows of a fold: to learn from, to choose the checkpoint by, and to measure."""
    folder = trial.folder / f"rows-{k}"
    folder.mkdir(parents=True, exist_ok=True)
    learned = rows.filter(parts != k)
    chosen = assign_folds(learned, CHOOSING, trial.seed + k, trial.group, trial.data.group) == 0
    split = {
        "train": learned.filter(~chosen),
        "validation": learned.filter(chosen),
        "measured": rows.filter(parts == k),
    }
    files: dict[str, tuple[Path, ...]] = {n: (folder / f"{n}.parquet",) for n in split}
    for name, part in split.items():
        part.write_parquet(files[name][0])
    measured = files.pop("measured")
    return replace(trial.data, files=files), measured


def _fold_figure(name: str, values: Sequence[float]) -> FoldFigure:
    return FoldFigure(
        name=name,
        mean=finite(np.mean(values)),
        deviation=finite(np.std(values, ddof=1)) if np.isfinite(values).all() else None,
        values=tuple(finite(value) for value in values),
    )


@contextlib.contextmanager
def keep_trials(out: Path) -> Iterator[Path]:
    """Give the folder beside `out` where trials and folds that were done are noted.

    It goes when the model is done, or cannot be made; what was killed finds it again.
    """
    folder = out.parent / f".{out.name}.trials"
    try:
        yield folder
    except (TrainingError, ModelError) as error:
        if not isinstance(error, Interrupted):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def make_trials(config: Train, trial: Trial, *, resume: bool) -> tuple[Train, Trials]:
    """Search and cross-validate where asked; return the settings to train with, and why."""
    if config.search is None and config.folds is None:
        return config, Trials()
    key = run_key(config, trial.data, trial.seed, 1)
    open_work(trial.folder, key, keep=resume and has_key(trial.folder, key))
    search: SearchFound | None = None
    folds: tuple[FoldFigure, ...] = ()
    if config.search is not None:
        config, search = search_settings(config, config.search, trial)
    if config.folds is not None:
        folds = cross_validate(config, config.folds, trial)
    return without_trials(config), Trials(search=search, folds=folds)
