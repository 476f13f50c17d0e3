"""The model before and after, asked the same frozen questions."""

from __future__ import annotations

from trainer.comparison.arms import Contender, compare_arms
from trainer.comparison.compare import compare_models
from trainer.comparison.folders import ArmFolder, Ask, compare_arm_folders, compare_folders
from trainer.comparison.questions import Prompt, QuestionSet, gather, with_pairs
from trainer.comparison.setting import Setting, Side

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
