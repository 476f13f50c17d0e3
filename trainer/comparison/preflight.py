"""What the comparison will ask, looked at before training: a typo costs a second, not an hour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siftset.schemas.recipe.train import Compare
from siftset.trainer.comparison import Setting, gather
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
    length, labels = session.task.length, getattr(session.task, "labels", None)
    if session.config.task == "mlm":
        Setting(compare).words()
        for prompt in questions.prompts:
            check_masks(prompt.text, len(MASKS.findall(prompt.text)), length)
    elif session.config.task == "causal":
        room_for_prompts(length, compare.max_new_tokens)
    elif labels is not None and not session.config.multi_label:
        order = label_order(labels.names, compare.positive_label)
        if questions.golden is not None:
            labelled(named(questions.golden, session.config.labels), order)
