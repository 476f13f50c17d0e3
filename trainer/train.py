"""One training run: from a version of the set to a saved model and what changed."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.results.summary import TrainResult

if TYPE_CHECKING:
    import polars as pl

    from siftset.trainer.metrics.bootstrap import Array
    from siftset.trainer.training.session import Session


@contextmanager
def training_libraries() -> Iterator[None]:
    """Import what training needs; until the end the garbage collector passes over all of it.

    torch and transformers make a million objects that stay. Walking them again and again, while
    they are imported and after, is a quarter of a start. Raises MissingExtraError.
    """
    require_extra()
    # What DDP warns of is for us to settle; torch reads this when it is imported.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # objects that somebody froze before stay so: unfreezing knows no difference
    ours = gc.isenabled() and not gc.get_freeze_count()
    if ours:
        gc.disable()
    try:
        import siftset.trainer.training.session  # noqa: F401

        if ours:
            gc.freeze()
            gc.enable()
        yield
    finally:
        if ours:
            gc.unfreeze()
            gc.enable()


@training_libraries()
def train(
    config: Train,
    compare: Compare,
    data: TrainingData,
    *,
    out: Path,
    seed: int = 0,
    resume: bool = True,
    progress: Progress,
) -> TrainResult:
    """Fine-tune a model on `data`, compare it with the one before, and put it whole into `out`.

    Checkpoints lie beside `out` until the run is done; with `resume` an interrupted run of the same
    settings and data goes on where it stopped, to the same weights. Raises TrainingError,
    ModelError or OutputError; SIGTERM or Ctrl-C saves a checkpoint and raises Interrupted.
    """
    from siftset.trainer.comparison.preflight import check_compare
    from siftset.trainer.training.hyperparameter_search import (
        Trial,
        check_single,
        keep_trials,
        make_trials,
    )
    from siftset.trainer.training.session import Session

    began = time.monotonic()
    seed = config.seed if config.seed is not None else seed
    check_single(config, int(os.environ.get("WORLD_SIZE", "1")))
    with keep_trials(out) as folder:
        check = functools.partial(check_compare, compare=compare)
        trial = Trial(data, folder, seed, progress, compare.group, check)
        config, trials = make_trials(config, trial, resume=resume)
        session = Session(config, data, out, seed=seed, progress=progress)
        session.trials = trials
        try:
            with session.quiet_libraries():
                session.prepare(resume=resume, check=check)
                session.fit()
                return finish(session, compare, began)
        except BaseException:
            session.remove_failed()
            raise


def require_extra() -> None:
    """Raise MissingExtraError unless everything that training needs can be imported."""
    from importlib.util import find_spec

    for name in ("torch", "transformers", "accelerate", "peft", "safetensors", "sklearn"):
        if find_spec(name) is None:
            raise MissingExtraError("training", "train")


def finish(session: Session, compare: Compare, began: float) -> TrainResult:
    """Save the model, compare, and put everything in place at once."""
    from siftset.trainer.comparison.after_training import compare_trained
    from siftset.trainer.comparison.predictions import PREDICTIONS
    from siftset.trainer.models.methods import merges_adapters
    from siftset.trainer.models.saving import (
        ADAPTER,
        atomic_folder,
        save_base,
        save_curves,
        save_json,
        save_model,
    )

    out = session.out
    trained = session.take_trained()
    if not session.leads:
        return session.make_result(out, {}, began)
    predictions: list[pl.DataFrame] = []
    comparison = compare_trained(session, trained, compare, predictions.append)
    with atomic_folder(out) as folder:
        for frame in predictions:
            frame.write_parquet(folder / PREDICTIONS)
        adapter = session.work / ADAPTER
        if adapter.is_dir() and not merges_adapters(session.config):
            save_model(trained, folder, max_length=session.task.length, adapter=adapter)
            save_base(session.config, trained, folder)
        else:
            save_model(trained, folder, max_length=session.task.length)
            if adapter.is_dir():
                shutil.move(adapter, folder / ADAPTER)
        _save_usage(session, folder)
        save_curves(session.curves(), folder)
        save_json(comparison.model_dump(mode="json"), folder / "compare.json")
        result = session.make_result(out, comparison.metrics, began)
        save_json(result.to_json(), folder / "training.json")
        session.write_card(result, comparison, folder)
    session.remove_work()
    return result


@training_libraries()
def fit_and_score(
    config: Train,
    data: TrainingData,
    questions: pl.DataFrame,
    *,
    out: Path,
    seed: int = 0,
    progress: Progress,
) -> Array:
    """Fine-tune a model that is thrown away; return its score of each question.

    What cannot be asked, such as a pair without an answer, scores 0, as it does for every model.
    `questions` have text, row_id and what the task needs; `out` names the folder beside which the
    work lies meanwhile. Raises TrainingError, ModelError or OutputError.
    """
    from siftset.trainer.comparison.after_training import write_session_questions
    from siftset.trainer.comparison.row_scores import score_rows
    from siftset.trainer.inference.load_model import load_side
    from siftset.trainer.training.hyperparameter_search import without_trials
    from siftset.trainer.training.session import Session

    session = Session(without_trials(config), data, out, seed=seed, progress=progress)
    with session.quiet_libraries():
        try:
            session.prepare(resume=False)
            session.fit()
            side = load_side(session.take_trained(), config.task, session.task.length)
        finally:
            session.remove_work()
        asked = write_session_questions(session, questions)
        scored = asked.rows.select("row_id", score=score_rows(config.task, side, asked))
    found = questions.select("row_id").join(scored, on="row_id", how="left", maintain_order="left")
    return found["score"].fill_null(0.0).to_numpy()


def _save_usage(session: Session, folder: Path) -> None:
    """Write how the model wants to be asked."""
    from siftset.trainer.inference.usage_snippets import write_usage

    task = session.task
    write_usage(
        folder,
        session.config.task,
        max_length=task.length,
        template=getattr(task, "template", None),
        chat=getattr(task, "chat", None) is not None,
    )
