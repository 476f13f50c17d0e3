"""Whether the rows that a recipe keeps teach more than others: from the source to the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from siftset.pipeline.model_registry.inputs import SECTIONS_OF_TRAINING, training_data
from siftset.pipeline.model_registry.registry import MODELS
from siftset.pipeline.proof.blocks import BLOCKS, FEW_BLOCKS, count_blocks, count_side
from siftset.pipeline.proof.budget import Budget
from siftset.pipeline.proof.learners import Learner, Probe, encode_labels, place_questions
from siftset.pipeline.proof.protocol import Measured, Protocol, to_estimate
from siftset.pipeline.proof.publish import PROOF, PROOF_HTML, publish_proof
from siftset.pipeline.proof.questions import FEW_QUESTIONS, LEAST, ProofRows, read_proof_rows
from siftset.pipeline.proof.results import FORMAT, ScoreFolder
from siftset.pipeline.proof.task import ProofTask
from siftset.pipeline.proof.vectors import MINILM, STATIC, TooSlowError, embed_minilm, embed_static
from siftset.pipeline.proof.verdict import judge_evidence, write_saving, write_sentence
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.proof import render_proof
from siftset.pipeline.run.job import load_job
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.schemas.results.proof import (
    ExamplesSaved,
    Proof,
    ProofQuestions,
    ProofUnit,
    ProofVerdict,
)

MINUTES: Final = 10.0
_VECTOR_SHARE: Final = 0.6
"""Share of the minutes that vectors of MiniLM may take."""


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """How much a proof may cost, and what it trains."""

    minutes: float | None = MINUTES
    """None: as long as it takes."""
    finetune: bool = False
    """Fine-tune the recipe's model, where a probe on frozen vectors would do for classes."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is judged, and where what is measured goes."""

    loaded: LoadedRecipe
    data: TrainingData
    task: ProofTask
    rows: ProofRows
    folder: Path
    options: ProofOptions

    @property
    def lineage(self) -> Lineage:
        return self.data.lineage

    @property
    def finetunes(self) -> bool:
        return self.options.finetune or not self.task.labelled


def prove(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    options: ProofOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Proof, Path]:
    """Say whether curated rows teach more than as many random ones; return the proof and its page.

    Models are trained on blocks of the current version of the set and on as many rows of everything
    that the recipe reads, and asked held-out rows of everything. Scores are kept in the output
    folder, so that a proof that ran out of minutes goes on. Raises a SiftsetError where there is
    nothing to compare.
    """
    shown, options = progress or Silent(), options or ProofOptions()
    if options.minutes is not None and not 0 < options.minutes < float("inf"):
        raise TrainingError(f"proof: {options.minutes:g} minutes given, expected more than 0")
    budget = Budget(options.minutes)
    uses = (*SECTIONS_OF_TRAINING, "source", "prepare", "split", "dedupe")
    loaded, store = open_store(recipe, overrides=overrides, uses=uses, progress=shown)
    data = training_data(loaded, store, None)
    task = ProofTask.read_recipe(loaded)
    folder = make_writable_folder(store.output / PROOF)
    with hold_lock(folder):
        files = [path for paths in data.files.values() for path in paths]
        ids = pl.scan_parquet(files).select("row_id").collect()["row_id"]
        rows = read_proof_rows(load_job(loaded), ids, task, shown)
        case = _Case(loaded, data, task, rows, folder, options)
        notes = check_rows(case)
        for note in notes:
            shown.say(f"warning: {note}")
        proof = _judge(case, notes, budget, shown)
        publish_proof(store.output, proof)
        with atomic_write(folder / PROOF_HTML) as draft:
            draft.write_text(hide_values(render_proof(proof)), encoding="utf-8")
    return proof, folder / PROOF_HTML


def check_rows(case: _Case) -> list[str]:
    """Return what weakens a proof of these rows; raise TrainingError where there can be none."""
    rows, labelled = case.rows, case.task.labelled
    asked = rows.question_sets[0]
    counts = {
        "rows of the set to train on": len(rows.chosen),
        "rows of everything read to train on": len(rows.pool),
        "held-out rows to ask about": len(asked.places),
    }
    without = (
        f" ({format_count(rows.unusable, 'row')} {conjugate(rows.unusable, 'have')} no "
        f"{'label' if labelled else 'text'})"
    )
    for what, count in counts.items():
        if count < LEAST:
            raise TrainingError(
                f"proof: {count:,} {what}, expected at least {LEAST}"
                f"{without if rows.unusable else ''}: read or keep more rows"
            )
    if not (rows.sampled & ~rows.curated).any():
        raise TrainingError(
            "proof: every row that was read is in the set: nothing was rejected, so there is "
            "nothing to compare the set with"
        )
    if labelled:
        targets, _ = encode_labels(rows)
        if all(len(np.unique(one[rows.pool])) < 2 for one in targets):
            raise TrainingError(
                "proof: all rows have the same label: expected at least two classes to tell apart"
            )
    notes = []
    if rows.unusable > rows.read:
        of = rows.unusable + rows.read
        what = "label" if labelled else "text"
        notes.append(
            f"{rows.unusable:,} of {format_count(of, 'row')} {conjugate(rows.unusable, 'have')} "
            f"no {what}: the rest is judged"
        )
    if len(asked.places) < FEW_QUESTIONS:
        notes.append(
            f"only {format_count(len(asked.places), 'held-out row')} to ask about (expected "
            f"{FEW_QUESTIONS:,}): only a large difference can be shown"
        )
    return notes


def _judge(case: _Case, notes: list[str], budget: Budget, progress: Progress) -> Proof:
    too_many = _find_too_many_classes(case)
    if too_many:
        return _make_proof(case, "logistic regression", Measured(), [*notes, too_many], budget)
    learner = _make_learner(case, notes, budget, progress)
    scores = ScoreFolder(case.folder / "scores", case.rows.digest, learner)
    protocol = Protocol(
        case.rows,
        learner,
        scores,
        loss=not case.task.labelled,
        most_blocks=FEW_BLOCKS if case.finetunes else BLOCKS,
        budget=budget,
        progress=progress,
    )
    found = protocol.measure_all()
    scores.remove_others()
    return _make_proof(case, learner.title, found, notes, budget, learner)


def _find_too_many_classes(case: _Case) -> str:
    """Say that a block holds too few rows of each class to learn any; nothing where it does not."""
    if not case.task.labelled or case.options.finetune:
        return ""
    targets, classes = encode_labels(case.rows)
    side = count_side(case.rows.chosen, case.rows.pool)
    size = side // count_blocks(side)
    if len(targets) > 1 or size >= 2 * classes:
        return ""
    return (
        f"{format_count(classes, 'class')} {conjugate(classes, 'need')} blocks of at least "
        f"{format_count(2 * classes, 'row')}, and a block has {size:,}: too few to learn any class"
    )


def _make_learner(case: _Case, notes: list[str], budget: Budget, progress: Progress) -> Learner:
    if case.finetunes:
        from siftset.pipeline.proof.finetune import make_fine_tuning

        models, work = case.folder.parent / MODELS, case.folder / "work"
        return make_fine_tuning(case.task.config, case.rows, case.data, models, work)
    targets, classes = encode_labels(case.rows)
    vectors, kind, why = _embed_texts(case, budget, progress)
    if why:
        notes.append(why)
        progress.say(why)
    title = f"logistic regression on {'MiniLM' if kind == MINILM else 'static'} vectors"
    asked = place_questions(case.rows)
    return Probe(title, {"probe": kind}, vectors, targets, classes, asked)


def _embed_texts(case: _Case, budget: Budget, progress: Progress) -> tuple[np.ndarray, str, str]:
    """Return vectors of all texts, their kind, and why they are not those of MiniLM."""
    texts = case.rows.texts
    if find_spec("torch") is None or find_spec("transformers") is None:
        why = "static vectors: torch is not installed (pip install 'siftset[train]' for MiniLM)"
        return embed_static(texts), STATIC, why
    from siftset.trainer.models.embedded import is_fetched

    if not is_fetched():
        why = "static vectors: the cache lacks MiniLM (siftset doctor says how to fetch it)"
        return embed_static(texts), STATIC, why
    left = budget.seconds_left
    try:
        seconds = None if left is None else _VECTOR_SHARE * left
        folder = case.folder / "vectors"
        return embed_minilm(texts, folder, progress, seconds=seconds), MINILM, ""
    except TooSlowError as slow:
        needed = slow.texts / slow.rate / 60 / _VECTOR_SHARE
        why = (
            f"static vectors: MiniLM reads {format_count(slow.rate, 'text')} a second here, and "
            f"{slow.texts:,} would take too long (give --minutes {needed:,.0f})"
        )
        return embed_static(texts), STATIC, why


def _tell_more(
    case: _Case, found: Measured, unit: ProofUnit, *, with_saving: bool
) -> Iterator[str]:
    """Yield what stands below the verdict: examples saved, what all rows give, what is missing."""
    if with_saving and found.saving is not None:
        yield write_saving(found.saving)
    curated, everything = len(case.rows.chosen), found.everything
    own = next((point.curated for point in found.curve if point.rows == curated), None)
    whole = everything.random if everything is not None else None
    if everything is not None and whole is not None and own is not None and whole > own:
        yield (
            f"Training on all {format_count(everything.rows, 'row')} gives "
            f"{format_score(whole, unit)}, on all {curated:,} curated ones "
            f"{format_score(own, unit)}: a larger budget."
        )
    if found.spent:
        yield (
            f"The minutes were used up after {format_count(found.trained, 'model')}: what is "
            "missing below was not measured. Run it again to go on."
        )


def _make_proof(
    case: _Case,
    model: str,
    found: Measured,
    notes: Sequence[str],
    budget: Budget,
    learner: Learner | None = None,
) -> Proof:
    unit: ProofUnit = "points" if case.task.labelled else "percent"
    verdict: ProofVerdict = "cannot say"
    if found.blocks:
        verdict = judge_evidence(found.evidence)
        sentence = write_sentence(verdict, found.evidence, unit)
    elif found.spent:
        sentence = (
            "Cannot say yet: the minutes were used up before the blocks were measured. Run it "
            "again to go on."
        )
    else:
        sentence = f"Cannot say: {notes[-1]}."
    saved = None
    if verdict == "yes" and found.saving is not None:
        saved = ExamplesSaved(**found.saving._asdict())
    more = _tell_more(case, found, unit, with_saving=saved is not None)
    rows = case.rows
    made = json_digest([FORMAT, rows.digest, dict(learner.identity) if learner else {}])
    return Proof(
        recipe=case.loaded.recipe.name,
        task=case.task.name,
        key=made,
        run_id=case.lineage.run_id,
        set_version=case.lineage.version or 0,
        verdict=verdict,
        sentence=sentence,
        more=tuple(more),
        unit=unit,
        model=model,
        difference=to_estimate(found.blocks[0]) if found.blocks else None,
        blocks=found.block_count if found.blocks else 0,
        block_rows=found.block_rows,
        curated=len(rows.chosen),
        pool=len(rows.pool),
        read=rows.read,
        questions=len(rows.question_sets[0].places),
        groups=rows.question_sets[0].units,
        question_sets=tuple(
            ProofQuestions(name=one.name, rows=len(one.places), groups=one.units)
            for one in rows.question_sets
        ),
        lines=tuple(found.lines),
        curve=tuple(found.curve),
        examples_saved=saved,
        everything=found.everything,
        trained=found.trained,
        complete=not found.spent,
        notes=tuple(notes),
        seconds=round(budget.seconds, 1),
    )


def format_score(score: float, unit: ProofUnit) -> str:
    """Return an accuracy in percent, or a loss in nats."""
    return f"{score:.1%}" if unit == "points" else f"a loss of {-score:.3f}"
