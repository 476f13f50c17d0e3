"""The comparison after training: which models, which rows, which questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
from pydantic import JsonValue

from schemas.comparison import BeforeKind, Comparison, ModelInfo, Questions, TrainingCurve
from schemas.train import Compare
from trainer.asked import side
from trainer.comparison import Setting, Side, compare_models, gather
from trainer.comparison.protocols import Encoder
from trainer.curves import Curves, series
from trainer.models import Loaded, load

if TYPE_CHECKING:
    from trainer.session import Session

SHOWN: Final = ("loss", "learning_rate", "perplexity", "eval_loss", "eval_perplexity")


def compare_trained(session: Session, trained: Loaded, compare: Compare) -> Comparison:
    """Ask the model before and after; on the test split where there is one, else validation."""
    files = session.data.files
    held = "test" if files.get("test") else "validation"
    if session.config.multi_label:
        return _several_labels(session, trained, held)
    rows = held_rows(session, held)
    training = held_rows(session, "train") if session.config.task == "classification" else None
    questions = gather(compare, rows, folder=Path.cwd(), seed=session.seed, train=training)
    before, kind = _before(session)
    setting = Setting(
        compare,
        before_kind=kind,
        encoder=_encoder(session, before),
        provenance={"split": held, "rows": rows.height, **_lineage(session)},
    )
    with session.progress.stage("compare"):
        found = compare_models(
            session.config.task, before, _side(trained, session), questions, setting
        )
    return found.model_copy(update={"curves": training_curves(session.curves())})


def _lineage(session: Session) -> dict[str, JsonValue]:
    """Return which version of which set the model was trained on, and how it was made."""
    made = session.data.lineage
    return {
        "recipe": made.recipe,
        "recipe_hash": made.recipe_hash,
        "set_version": made.version,
        "run_id": made.run_id,
        "formula": made.formula,
        "formula_hash": made.formula_hash,
        "rows_by_split": dict(made.rows),
        "seed": session.seed,
    }


def _several_labels(session: Session, trained: Loaded, held: str) -> Comparison:
    """Return the figures of a classifier with several labels a row: means over its labels."""
    path = session.work / "tokens-held.arrow"
    tokens = session.plain_task.read(session.data.files.get(held, ()), path, None)
    after = session.measure_plain(trained, tokens)
    return Comparison(
        task=session.config.task,
        before=ModelInfo(name="none"),
        after=_side(trained, session).info,
        before_kind="none",
        questions=Questions(hash=session.key, seed=session.seed, rows=tokens.texts),
        metrics={"before": {}, "after": dict(after)},
        curves=training_curves(session.curves()),
        notes=("Several labels a row: figures are means over the labels.",),
    )


def held_rows(session: Session, split: str) -> pl.DataFrame:
    """Return the rows of a split as the comparison wants them."""
    files = session.data.files.get(split, ())
    frame = pl.read_parquet(list(files)) if files else pl.DataFrame({"text": []})
    labels = getattr(session.task, "labels", None)
    if labels is not None and not labels.multi:
        names = [labels.names[labels.index(value)] for value in frame["label"].to_list()]
        frame = frame.with_columns(label=pl.Series(names, dtype=pl.String))
    template = getattr(session.task, "template", None)
    if template is not None:
        asked = [template.ask(row) for row in frame.iter_rows(named=True)]
        frame = frame.with_columns(
            prompt=pl.Series(asked, dtype=pl.String), answer=pl.col(template.answer)
        )
        if "text" not in frame.columns:
            frame = frame.with_columns(text=pl.col("prompt"))
    return frame


def _before(session: Session) -> tuple[Side | None, BeforeKind]:
    """Load the model before again; a classifier with a fresh head has none."""
    loaded, config = session.task.loaded, session.config
    if config.task == "classification" and loaded.untrained_head:
        return None, "linear probe"
    labels = getattr(session.task, "labels", None)
    again = load(
        config.task,
        config.model,
        revision=config.revision,
        labels=labels.names if labels else (),
        seed=session.seed,
    )
    kind: BeforeKind = "previous model" if config.task == "classification" else "base model"
    return _side(again, session), kind


def _encoder(session: Session, before: Side | None) -> Encoder | None:
    from trainer.comparison.adapters import Asked

    if before is not None:
        return None
    labels = session.task.labels.names  # type: ignore[attr-defined]
    config = session.config
    base = load(config.task, config.model, revision=config.revision, labels=labels)
    return Asked(base.model, base.tokenizer, max_length=session.task.length)


def _side(loaded: Loaded, session: Session) -> Side:
    return side(loaded, session.config.task, session.task.length)


def training_curves(curves: Curves) -> tuple[TrainingCurve, ...]:
    """Return the curves that a report draws."""
    found = ((name, *series(curves, name)) for name in SHOWN)
    return tuple(
        TrainingCurve(name=name, steps=tuple(steps), values=tuple(values))
        for name, steps, values in found
        if steps
    )
