"""What metrics are called, which scale they share, and which of them a task is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from siftset.schemas.results.comparison import Change
from siftset.schemas.tasks import TaskName

Scale = Literal["share", "loss", "perplexity", "other"]

SCALES: Final[Mapping[Scale, str]] = {
    "share": "Scores and shares",
    "loss": "Loss, nats",
    "perplexity": "Perplexity",
    "other": "Other figures",
}
_CAPITALS: Final = {
    "f1": "F1", "roc": "ROC", "auc": "AUC", "pr": "PR", "mrr": "MRR", "brier": "Brier",
    "bleu": "BLEU", "chrf": "chrF", "rouge": "ROUGE",
}  # fmt: skip
_NAMES: Final = {"mcc": "Matthews correlation", "ece": "calibration error (ECE)"}
_SHARES: Final = frozenset(
    "accuracy f1 precision recall specificity auc mcc brier ece mrr exact_match hamming_loss "
    "rouge_l em repetition distinct subset_accuracy bleu chrf".split()
)
HEADLINES: Final[Mapping[TaskName, tuple[str, ...]]] = {
    "classification": ("macro_f1", "accuracy", "micro_f1", "subset_accuracy", "mcc", "ece"),
    "mlm": ("perplexity", "accuracy_at_1", "mrr"),
    "causal": ("perplexity", "exact_match", "token_f1", "f1", "rouge_l"),
}
"""What each task is judged by, the first of them before all."""


def name_metric(name: str) -> str:
    """Return a metric's name as it is written in the field: `macro F1`."""
    words = (_CAPITALS.get(word, word) for word in name.split("_"))
    return _NAMES.get(name) or " ".join(words)


def find_scale(name: str) -> Scale:
    """Return the scale on which a metric can be drawn with others."""
    if "perplexity" in name:
        return "perplexity"
    words = name.replace("-", "_").split("_")
    if name in _SHARES or _SHARES & set(words):
        return "share"
    return "loss" if "loss" in words else "other"


def pick_headlines(task: TaskName, changes: Iterable[Change], most: int = 4) -> list[Change]:
    """Return the metrics that a task is judged by, then others where there are too few."""
    found = {one.name: one for one in changes}
    known = [found.pop(name) for name in HEADLINES[task] if name in found]
    return [*known, *found.values()][:most] if len(known) < 2 else known[:most]
