"""What the comparison will ask, looked at before training: a typo costs a second, not an hour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siftset.schemas.recipe.train import Compare
from siftset.schemas.tasks import TASKS
from siftset.trainer.comparison import QuestionSet, Setting, gather
from siftset.trainer.comparison.after_training import held_out, rows_of
from siftset.trainer.comparison.compare_classification import label_order, labelled
from siftset.trainer.comparison.folders import named
from siftset.trainer.inference.adapters import check_masks
from siftset.trainer.inference.generate import room_for_prompts
from siftset.trainer.inference.word_lists import MASKS

if TYPE_CHECKING:
    from siftset.trainer.training.session import Session


def check_compare(session: Session, compare: Compare) -> None:
    """Read the questions of a prepared run; raise where the comparison would fail on them."""
    rows = rows_of(session, held_out(session))
    questions = gather(compare, rows, folder=Path.cwd(), seed=session.seed)
    TASKS[session.config.task].code.load("check_questions")(session, questions, compare)


def check_mask_prompts(session: Session, questions: QuestionSet, compare: Compare) -> None:
    """Raise for a word list that is missing, or a prompt without room for its masks."""
    Setting(compare).words()
    for prompt in questions.prompts:
        check_masks(prompt.text, len(MASKS.findall(prompt.text)), session.task.length)


def check_answer_room(session: Session, _: QuestionSet, compare: Compare) -> None:
    """Raise where answers leave prompts no room."""
    room_for_prompts(session.task.length, compare.max_new_tokens)


def check_golden_labels(session: Session, questions: QuestionSet, compare: Compare) -> None:
    """Raise for a positive class, or a golden label, that the model does not know."""
    labels = getattr(session.task, "labels", None)
    if labels is None or session.config.multi_label:
        return
    order = label_order(labels.names, compare.positive_label)
    if questions.golden is not None:
        labelled(named(questions.golden, session.config.labels), order)
