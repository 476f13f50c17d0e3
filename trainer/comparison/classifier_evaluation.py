"""Everyone who answers about held-out rows: baselines, the model before, the model after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from siftset.trainer.comparison.baselines import (
    COMMONEST_SET,
    MAJORITY,
    PROBE,
    TFIDF,
    fit_majority,
    fit_probe,
    fit_tfidf,
)
from siftset.trainer.comparison.classification_scores import ClassifierAnswers, align_probabilities
from siftset.trainer.comparison.context import ComparisonSetting, require_model
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.training_texts import TrainingTexts
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import ClassifierModel

_STANDS_ALONE = "no model before, and no features for a linear probe: the model after stands alone"


@dataclass(frozen=True, slots=True)
class ClassifierEvaluation:
    """Classifiers of the same labels; of the models the one after comes last."""

    labels: tuple[str, ...]
    baselines: tuple[tuple[str, ClassifierModel], ...]
    models: tuple[tuple[str, ClassifierModel], ...]

    def ask_all(self, texts: Sequence[str]) -> list[ClassifierAnswers]:
        """Ask everyone about the texts, once."""
        kinds: tuple[Literal["baseline", "model"], ...] = ("baseline", "model")
        return [
            ClassifierAnswers(name, align_probabilities(one, self.labels, texts), kind)
            for kind, asked in zip(kinds, (self.baselines, self.models), strict=True)
            for name, one in asked
        ]


def gather_classifiers(
    before: ModelSide | None,
    after: ModelSide,
    labels: Sequence[str],
    training: TrainingTexts | None,
    seed: int,
    setting: ComparisonSetting,
) -> ClassifierEvaluation:
    """Fit the baselines that can be taught; a missing before is the linear probe among them."""
    wanted, fitted = setting.compare.baselines, dict[str, ClassifierModel]()
    if training is not None and training.texts:
        if "majority" in wanted:
            several = len(training.targets) > 1
            fitted[COMMONEST_SET if several else MAJORITY] = fit_majority(training)
        if "tfidf" in wanted:
            fitted[TFIDF] = fit_tfidf(training, seed)
        if setting.encoder is not None and (before is None or "probe" in wanted):
            fitted[PROBE] = fit_probe(setting.encoder, training, seed)
    kind = ClassifierModel
    models = [(after.info.name, require_model(after, kind, "classification"))]  # type: ignore[type-abstract]
    if before is not None:
        old = require_model(before, kind, "classification")  # type: ignore[type-abstract]
        models.insert(0, (before.info.name, old))
    elif PROBE in fitted:
        models.insert(0, (PROBE, fitted.pop(PROBE)))
    return ClassifierEvaluation(tuple(labels), tuple(fitted.items()), tuple(models))


def note_baselines(
    training: TrainingTexts | None,
    questions: QuestionSet,
    setting: ComparisonSetting,
    before: ModelSide | None,
) -> Iterator[str]:
    """Say which baselines there are not, or of how few rows they learned."""
    if training is not None and training.left_out:
        seen = f"{len(training.texts):,} of the {len(training.texts) + training.left_out:,}"
        yield f"baselines learned from {seen} training rows"
    if questions.train is None and setting.compare.baselines:
        yield "no baselines: the training rows were not given"
    if before is None and (setting.encoder is None or questions.train is None):
        yield _STANDS_ALONE
