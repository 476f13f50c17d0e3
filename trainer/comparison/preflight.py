"""What the comparison will ask, looked at before training: a typo costs a second, not an hour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siftset.schemas.recipe.train import Compare
from siftset.schemas.tasks import TASKS
from siftset.trainer.comparison import ComparisonSetting, QuestionSet, gather_questions
from siftset.trainer.comparison.after_training import choose_split, read_split
from siftset.trainer.comparison.classification_scores import order_labels, select_labelled
from siftset.trainer.comparison.compare_multi_label import read_truths
from siftset.trainer.comparison.folders import name_labels
from siftset.trainer.inference.adapters import check_masks
from siftset.trainer.inference.generate import count_prompt_room
from siftset.trainer.inference.word_lists import MASKS

if TYPE_CHECKING:
    from siftset.trainer.training.session import Session


def check_compare(session: Session, compare: Compare) -> None:
    """Read the questions of a prepared run; raise where the comparison would fail on them."""
    held = choose_split(session)
    if not session.data.files.get(held):
        return
    rows = read_split(session, held)
    questions = gather_questions(compare, rows, folder=Path.cwd(), seed=session.seed)
    TASKS[session.config.task].code.load("check_questions")(session, questions, compare)


def check_mask_prompts(session: Session, questions: QuestionSet, compare: Compare) -> None:
    """Raise for a word list that is missing, or a prompt without room for its masks."""
    ComparisonSetting(compare).read_word_lists()
    for prompt in questions.prompts:
        check_masks(prompt.text, len(MASKS.findall(prompt.text)), session.task.length)


def check_answer_room(session: Session, _: QuestionSet, compare: Compare) -> None:
    """Raise where answers leave prompts no room."""
    count_prompt_room(session.task.length, compare.max_new_tokens, "compare.max_new_tokens")


def check_golden_labels(session: Session, questions: QuestionSet, compare: Compare) -> None:
    """Raise for a positive class, or a golden label, that the model does not know."""
    labels = getattr(session.task, "labels", None)
    if labels is None:
        return
    golden = questions.golden
    if golden is not None and "label" in golden.columns:
        golden = name_labels(golden, session.config)
    if session.config.multi_label:
        if golden is not None:
            read_truths(golden, labels.names)
        return
    order = order_labels(labels.names, compare.positive_label)
    if golden is not None:
        select_labelled(golden, order)
