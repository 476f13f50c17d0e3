"""The comparison: two models, one set of frozen questions, one result."""

from __future__ import annotations

from dataclasses import fields, replace

from siftset.schemas.results.comparison import Comparison, ModelInfo, Questions
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.context import ComparisonSetting, TaskComparison
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.load_model import ModelSide


def compare_models(
    task: TaskName,
    before: ModelSide | None,
    after: ModelSide,
    questions: QuestionSet,
    setting: ComparisonSetting,
) -> Comparison:
    """Ask both models the same frozen questions, once each, and return what changed.

    Without a model before, a classifier is compared with a probe on `setting.encoder`.
    Raises TrainingError for a model that does not fit the task.
    """
    compare = TASKS[task].code.load("compare")
    part: TaskComparison = compare(before, after, questions, setting)
    headline = setting.choose_headline(task)
    changes = tuple(sorted(part.changes, key=lambda one: one.name != headline))
    part = replace(part, changes=changes)
    kind, drawn = setting.before_kind, setting.make_bootstrap(questions.seed, questions.rows)
    if before is None:
        known = any(change.before is not None for change in part.changes)
        kind = "linear probe" if known else "none"
    found = {field.name: getattr(part, field.name) for field in fields(part)}
    return Comparison(
        task=task,
        before=before.info if before is not None else ModelInfo(name=kind),
        after=after.info,
        before_kind=kind,
        questions=Questions(
            hash=questions.content_hash(),
            seed=questions.seed,
            rows=questions.rows.height,
            prompts=len(questions.prompts),
            golden=0 if questions.golden is None else questions.golden.height,
            general=len(questions.general),
            cut=questions.cut,
            unit=drawn.unit,
            units=drawn.units,
        ),
        metrics={
            "before": {change.name: change.before for change in part.changes},
            "after": {change.name: change.after for change in part.changes},
        },
        provenance=dict(setting.provenance),
        **found,
    )
