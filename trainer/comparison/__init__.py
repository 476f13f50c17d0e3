"""The model before and after, asked the same frozen questions."""

from __future__ import annotations

from siftset.trainer.comparison.ablation import Contender, compare_arms
from siftset.trainer.comparison.compare import compare_models
from siftset.trainer.comparison.context import Setting, Side
from siftset.trainer.comparison.folders import ArmFolder, Ask, compare_arm_folders, compare_folders
from siftset.trainer.comparison.questions import Prompt, QuestionSet, gather, with_pairs

__all__ = [
    "ArmFolder",
    "Ask",
    "Contender",
    "Prompt",
    "QuestionSet",
    "Setting",
    "Side",
    "compare_arm_folders",
    "compare_arms",
    "compare_folders",
    "compare_models",
    "gather",
    "with_pairs",
]
