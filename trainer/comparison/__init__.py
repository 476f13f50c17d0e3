"""The model before and after, asked the same frozen questions."""

from __future__ import annotations

from siftset.trainer.comparison.compare import compare_models
from siftset.trainer.comparison.context import ComparisonSetting
from siftset.trainer.comparison.folders import ComparisonRequest, compare_folders
from siftset.trainer.comparison.questions import Prompt, QuestionSet, gather_questions, write_pairs
from siftset.trainer.inference.load_model import ModelSide

__all__ = [
    "ComparisonRequest",
    "ComparisonSetting",
    "ModelSide",
    "Prompt",
    "QuestionSet",
    "compare_folders",
    "compare_models",
    "gather_questions",
    "write_pairs",
]
