"""What is wrong with data or a run, called by its name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Final, Literal

import numpy as np

from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import Forgetting
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.results.summary import Finding
from siftset.schemas.tasks import TASKS
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.loading import Loaded
from siftset.trainer.tasks.base import Task
from siftset.trainer.training.curves import curves_of, series_of

CUT: Final = 0.05
"""Share of texts cut above which it is said."""
UNKNOWN: Final = 0.01
"""Share of unknown tokens above which it is said."""
FEW_PER_CLASS: Final = 20
IMBALANCE: Final = 3.0
"""Largest class over smallest from which on it is said."""


def check_reporters(config: Train) -> None:
    """Raise TrainingError for a logger that is not installed."""
    for name in config.report_to:
        if find_spec(name) is None:
            raise TrainingError(
                f"train.report_to: {name} is not installed: run  pip install {name}"
            )


def check_splits(data: TrainingData, config: Train) -> list[Finding]:
    """Raise TrainingError unless every file of the splits is there, and what is needed is split.

    Returns what will not be measured.
    """
    for split, files in data.files.items():
        for path in files:
            if not path.is_file():
                raise TrainingError(
                    f"the file {path} of split {split} is not there: publish the set again "
                    "with siftset curate"
                )
    stops = config.early_stopping_patience is not None
    if config.eval_strategy == "no":
        if stops:
            raise TrainingError(
                "train.early_stopping_patience needs evaluations: set  train.eval_strategy: epoch  "
                "or steps, or leave the patience out"
            )
        return []
    if data.files.get("validation"):
        return []
    missing = "the split validation holds no rows: give it a share in the recipe's split section"
    if stops or config.search is not None:
        name = "early_stopping_patience" if stops else "search"
        raise TrainingError(f"{missing}; train.{name} needs it")
    said = f"{missing}; nothing is measured while training, and the last weights are kept"
    return [Finding("no validation", "warning", said)]


def check_model(loaded: Loaded, config: Train) -> list[Finding]:
    """Say that a head was newly initialised, loudly unless a probe stands for the model before."""
    fresh = loaded.untrained_head
    if not fresh:
        return []
    if TASKS[config.task].labelled:
        said = (
            f"'{loaded.name}' has no head for these classes, so a new one is trained; a linear "
            "probe on its frozen features stands for the model before"
        )
        return [Finding("untrained head", "note", said, float(len(fresh)))]
    shown = ", ".join(fresh[:3]) + (f" and {len(fresh) - 3} more" if len(fresh) > 3 else "")
    return [
        Finding(
            "untrained head",
            "warning",
            f"UNTRAINED HEAD: '{loaded.name}' has no weights for {shown}; they start at random, so "
            "what the model says before training is noise and no fair 'before'",
            float(len(fresh)),
        )
    ]


def check_metric(task: Task, config: Train) -> None:
    """Raise TrainingError for a metric_for_best_model that an evaluation does not give."""
    labels = getattr(task, "labels", None)
    classes = len(labels.names) if labels else 0
    counts = np.zeros(classes * 4 if config.multi_label else classes**2)
    zeros = {name: np.zeros(()) for name in ("loss", "items", "hits_1", "hits_5")}
    known = task.compute_metrics({**zeros, "counts": counts})
    if config.metric_for_best_model not in known:
        raise TrainingError(
            f"train.metric_for_best_model: there is no '{config.metric_for_best_model}', expected "
            f"one of {', '.join(known)}"
        )


def check_data(task: Task, tokens: Mapping[str, SplitTokens], config: Train) -> list[Finding]:
    """Return what is wrong with the tokens: cut, unknown, few, unbalanced, leaking."""
    found = []
    for split, some in tokens.items():
        share = some.cut / max(some.texts, 1)
        if some.cut:
            found.append(
                Finding(
                    "truncation",
                    "warning" if share > CUT else "note",
                    f"{some.cut:,} of {format_count(some.texts, 'text')} of {split} "
                    f"({share:.1%}) were cut to {format_count(task.length, 'token')}",
                    share,
                )
            )
        share = some.unknown / max(some.total, 1)
        if share > UNKNOWN:
            found.append(
                Finding(
                    "unknown tokens",
                    "warning",
                    f"{share:.1%} of the tokens of {split} are unknown to the tokenizer of "
                    f"'{task.loaded.name}': another model may know this language or script",
                    share,
                )
            )
    if config.max_length > task.length:
        found.append(
            Finding(
                "max_length",
                "note",
                f"train.max_length: {config.max_length} is more than the "
                f"{format_count(task.length, 'token')} of the model",
                float(task.length),
            )
        )
    return (
        found + _check_size(tokens["train"], config) + _check_balance(task) + _check_leakage(tokens)
    )


def _check_size(tokens: SplitTokens, config: Train) -> list[Finding]:
    expected = TASKS[config.task].few_rows
    if tokens.texts >= expected:
        return []
    return [
        Finding(
            "too little data",
            "warning",
            f"{format_count(tokens.texts, 'training row')} {conjugate(tokens.texts, 'are')} "
            f"few for task {config.task} (expected {expected:,} or more): train.method: frozen or "
            "lora over-fits less",
            float(tokens.texts),
        )
    ]


def _check_balance(task: Task) -> list[Finding]:
    labels = getattr(task, "labels", None)
    if labels is None:
        return []
    counts = dict(zip(labels.names, labels.counts, strict=True))
    low, high = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    ratio = counts[high] / max(counts[low], 1)
    unbalanced = Finding(
        "class imbalance",
        "warning",
        f"class {high!r} has {format_count(counts[high], 'training row')}, {low!r} only "
        f"{counts[low]:,}: set  train.class_weights: balanced",
        ratio,
    )
    few = Finding(
        "too few rows of a class",
        "warning",
        f"class {low!r} has {format_count(counts[low], 'training row')} (expected "
        f"{FEW_PER_CLASS} or more): its figures will be unsure",
        float(counts[low]),
    )
    return [unbalanced] * (ratio >= IMBALANCE) + [few] * (counts[low] < FEW_PER_CLASS)


def _check_leakage(tokens: Mapping[str, SplitTokens]) -> list[Finding]:
    """Count sequences of validation that are in train, token for token."""
    if "validation" not in tokens or not len(tokens["validation"]):
        return []
    seen = {hash(tokens["train"].row(i).tobytes()) for i in range(len(tokens["train"]))}
    held = tokens["validation"]
    same = sum(hash(held.row(i).tobytes()) in seen for i in range(len(held)))
    if not same:
        return []
    share = same / len(held)
    return [
        Finding(
            "leakage",
            "critical",
            f"{same:,} of {len(held):,} validation sequences ({share:.1%}) are in train too, token "
            "for token: validation figures are too good; split again with siftset curate",
            share,
        )
    ]


def check_forgetting(found: Forgetting | None) -> list[Finding]:
    """Say that general text is predicted worse than the recipe's gate allows."""
    if found is None or found.verdict != "fail":
        return []
    rise = "beyond measure" if found.increase is None else f"by {found.increase:.1%}"
    message = (
        f"forgetting: perplexity on general text rose {rise}, allowed {found.limit or 0.0:.1%}: "
        "train for fewer steps, at a lower rate, with LoRA or replay"
    )
    return [Finding("forgetting", "critical", message, found.increase)]


def check_curves(history: Iterable[Mapping[str, float]], config: Train) -> list[Finding]:
    """Return the shapes of the curves that mean trouble."""
    history = list(history)
    if any(not math.isfinite(log["loss"]) for log in history if "loss" in log):
        return [
            Finding(
                "not a number",
                "critical",
                "the loss is not a number: training stopped and the best evaluated model was kept; "
                "lower train.learning_rate, or raise train.warmup_steps",
            )
        ]
    curves = curves_of(history)
    _, losses = series_of(curves, "loss")
    _, held = series_of([row for row in curves if row["step"]], "eval_loss")
    return _check_train_curve(losses) + _check_held_curve(held, losses)


def _check_train_curve(losses: Sequence[float]) -> list[Finding]:
    if len(losses) < 6:
        return []
    third = max(len(losses) // 3, 2)
    start, end = float(np.mean(losses[:third])), float(np.mean(losses[-third:]))
    found = []
    # Two standard errors of the difference of both means. The noise of one loss comes from the
    # steps between neighbours, which a trend hardly moves: half their mean square is its variance.
    unsure = 2 * math.sqrt(float(np.mean(np.square(np.diff(losses)))) / third)
    if end > 1.1 * start and end - start > unsure:
        advice = f"the training loss rose from {start:.3f} to {end:.3f}: lower train.learning_rate"
        found.append(_make_shape("diverging", advice, end / start))
    elif abs(start - end) < 0.02 * start:
        advice = (
            f"the training loss stayed near {end:.3f}: raise train.learning_rate or train longer"
        )
        found.append(_make_shape("flat", advice, (start - end) / start))
    # the mean step as a share of the mean, and how often the curve turns
    steps = np.diff(np.asarray(losses[third:]))
    turns = np.mean(np.sign(steps[1:]) != np.sign(steps[:-1]))
    swing = float(np.mean(np.abs(steps)) / max(float(np.mean(losses[third:])), 1e-12))
    if swing > 0.25 and turns > 0.5:
        advice = (
            f"the training loss swings by {swing:.0%} from one log to the next: lower "
            "train.learning_rate or enlarge the batch"
        )
        found.append(_make_shape("oscillating", advice, swing))
    return found


def _check_held_curve(held: Sequence[float], losses: Sequence[float]) -> list[Finding]:
    if len(held) < 2 or not losses:
        return []
    best = min(held)
    if held[-1] > 1.02 * best and losses[-1] < losses[0]:
        advice = (
            f"the validation loss was best at {best:.3f} and ended at {held[-1]:.3f} while the "
            "training loss fell: fewer epochs or train.early_stopping_patience"
        )
        return [_make_shape("over-fitting", advice, held[-1] / best)]
    step = (held[-2] - held[-1]) / max(held[-2], 1e-12)
    if held[-1] == best and step > 0.05:
        advice = (
            f"the validation loss still fell by {step:.0%} in the last evaluation: more epochs "
            "would help"
        )
        return [_make_shape("under-fitting", advice, step, level="note")]
    return []


def _make_shape(
    name: str, advice: str, value: float, *, level: Literal["note", "warning"] = "warning"
) -> Finding:
    return Finding(name, level, f"{name}: {advice}", value)
