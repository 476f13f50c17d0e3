"""The model before and after, asked the same frozen questions."""

from __future__ import annotations

from trainer.comparison.compare import compare_models
from trainer.comparison.questions import Prompt, QuestionSet, gather
from trainer.comparison.setting import Setting, Side

__all__ = ["Prompt", "QuestionSet", "Setting", "Side", "compare_models", "gather"]
