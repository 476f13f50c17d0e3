"""The comparison after training: which models, which rows, which questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
from pydantic import JsonValue

from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import (
    BeforeKind,
    Comparison,
    ModelInfo,
    Questions,
    TrainingCurve,
)
from siftset.schemas.results.summary import Finding
from siftset.schemas.tasks import TASKS
from siftset.trainer.comparison import (
    ComparisonSetting,
    ModelSide,
    QuestionSet,
    compare_models,
    gather_questions,
    write_pairs,
)
from siftset.trainer.comparison.chat_questions import ChatQuestions, write_chats
from siftset.trainer.comparison.folders import name_labels
from siftset.trainer.comparison.forgetting import measure_forgetting
from siftset.trainer.comparison.remembered import RememberingEncoder
from siftset.trainer.inference.adapters import EvaluationModel
from siftset.trainer.inference.load_model import load_side
from siftset.trainer.inference.protocols import Encoder
from siftset.trainer.models.content import identify_base
from siftset.trainer.models.loading import Loaded, load
from siftset.trainer.tasks.labels import find_class_weights
from siftset.trainer.tasks.reading import choose_sample
from siftset.trainer.training.checks import check_forgetting
from siftset.trainer.training.curves import Curves, series_of
from siftset.trainer.training.model_card import library_versions

if TYPE_CHECKING:
    from siftset.trainer.training.session import Session

SHOWN_CURVES: Final = ("loss", "learning_rate", "perplexity", "eval_loss", "eval_perplexity")


def compare_trained(
    session: Session, trained: Loaded, compare: Compare, keep: Callable[[pl.DataFrame], None]
) -> Comparison:
    """Ask the model before and after; `keep` takes what each said of every held-out row."""
    held = choose_split(session)
    if not session.data.files.get(held):
        return _leave_unmeasured(session)
    questions = gather_session_questions(session, compare, held)
    before, kind = _load_before(session)
    encoder: Encoder | None = None
    if before is None:
        names = session.task.labels.names  # type: ignore[attr-defined]
        config = session.config
        base = load(config.task, config.model, revision=config.revision, labels=names)
        encoder = EvaluationModel(base.model, base.tokenizer, max_length=session.task.length)
        if session.features is not None and questions.train is not None:
            # the head was fitted on states of the same rows, in the same order
            encoder = RememberingEncoder.know_texts(
                encoder,
                questions.train["text"].fill_null("").to_list(),
                session.features.mean_states(session.tokens["train"]),
            )
    setting = ComparisonSetting(
        compare,
        before_kind=kind,
        encoder=encoder,
        provenance={"split": held, **_describe_lineage(session)},
        split_group=tuple(session.data.group),
        keep=keep,
    )
    with session.progress.stage("compare"):
        found = compare_models(
            session.config.task,
            before,
            load_side(
                replace(trained, name=session.out.name), session.config.task, session.task.length
            ),
            questions,
            setting,
        )
    if TASKS[session.config.task].labelled:
        lost = measure_forgetting(session.config, trained, questions, setting)
        found = found.model_copy(update={"forgetting": lost})
    session.add_findings([*found.findings, *check_forgetting(found.forgetting)])
    curves, findings = training_curves(session.curves()), tuple(session.findings)
    told = {"curves": curves, "findings": findings, "trials": session.trials}
    return found.model_copy(update=told)


def _leave_unmeasured(session: Session) -> Comparison:
    """Return a comparison without rows, which says so."""
    said = (
        "nothing was measured: the set has neither test nor validation rows; give them a share in "
        "the recipe's split section"
    )
    session.add_findings([Finding("nothing measured", "warning", said)])
    return Comparison(
        task=session.config.task,
        before=ModelInfo(name=session.config.model),
        after=ModelInfo(name=session.out.name),
        before_kind="none",
        questions=Questions(hash="", seed=session.seed),
        metrics={"before": {}, "after": {}},
        curves=training_curves(session.curves()),
        findings=tuple(session.findings),
        trials=session.trials,
        provenance=_describe_lineage(session),
        notes=(said,),
    )


def choose_split(session: Session) -> str:
    """Return the split that is asked: test where there is one, else validation."""
    return "test" if session.data.files.get("test") else "validation"


def gather_session_questions(session: Session, compare: Compare, held: str) -> QuestionSet:
    """Return what both models are asked; baselines learn from the rows that the model saw."""
    classes = TASKS[session.config.task].labelled
    training = None
    if classes:
        rows = read_split(session, "train")
        seen = choose_sample(rows.height, session.config.max_train_samples, session.seed)
        training = rows.filter(pl.Series(seen))
    rows = read_split(session, held)
    questions = gather_questions(
        compare, rows, folder=Path.cwd(), seed=session.seed, train=training
    )
    questions = replace(questions, class_weights=_find_weights(session))
    if classes and questions.golden is not None:
        questions = replace(questions, golden=name_labels(questions.golden, session.config))
    return _write_questions(session, questions)


def write_session_questions(session: Session, rows: pl.DataFrame) -> QuestionSet:
    """Return rows as questions, written as the session's task was trained."""
    return _write_questions(session, QuestionSet(rows, seed=session.seed))


def _write_questions(session: Session, questions: QuestionSet) -> QuestionSet:
    chat = getattr(session.task, "chat", None)
    if chat is not None:
        tokenizer = session.task.loaded.tokenizer
        return write_chats(questions, ChatQuestions.of_tokenizer(chat, tokenizer))
    return write_pairs(questions, getattr(session.task, "template", None))


def read_split(session: Session, split: str) -> pl.DataFrame:
    """Return the rows of a split: labels by their names, prompts as texts where there are none."""
    files = session.data.files.get(split, ())
    frame = pl.read_parquet(list(files)) if files else pl.DataFrame({"text": []})
    template = getattr(session.task, "template", None)
    if template is not None and "text" not in frame.columns:
        frame = frame.with_columns(text=pl.Series(map(template.ask, frame.iter_rows(named=True))))
    return name_labels(frame, session.config) if TASKS[session.config.task].labelled else frame


def _describe_lineage(session: Session) -> dict[str, JsonValue]:
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
        "also_in_another_split": dict(made.leaks),
        "seed": session.seed,
        "settings": session.config.model_dump(mode="json", exclude_defaults=True),
        "base_content": dict(identify_base(session.config)),
        "max_train_samples": session.config.max_train_samples,
        "class_weights": dict(_find_weights(session)),
        "versions": dict(library_versions()),
        "hardware": session.hardware.describe(),
    }


def _find_weights(session: Session) -> dict[str, float]:
    """Return what each class weighs in the loss; nothing where all weigh the same."""
    labels = getattr(session.task, "labels", None)
    weights = None if labels is None else find_class_weights(labels, session.config)
    return dict(zip(labels.names, weights, strict=True)) if labels and weights else {}


def _load_before(session: Session) -> tuple[ModelSide | None, BeforeKind]:
    """Load the model before again; a classifier with a fresh head has none."""
    loaded, config = session.task.loaded, session.config
    if TASKS[config.task].labelled and loaded.untrained_head:
        return None, "linear probe"
    labels = getattr(session.task, "labels", None)
    again = load(
        config.task,
        config.model,
        revision=config.revision,
        labels=labels.names if labels else (),
        seed=session.seed,
    )
    kind: BeforeKind = "previous model" if TASKS[config.task].labelled else "base model"
    return load_side(again, config.task, session.task.length), kind


def training_curves(curves: Curves) -> tuple[TrainingCurve, ...]:
    """Return the curves that a report draws."""
    found = ((name, *series_of(curves, name)) for name in SHOWN_CURVES)
    return tuple(
        TrainingCurve(name=name, steps=tuple(steps), values=tuple(values))
        for name, steps, values in found
        if steps
    )
