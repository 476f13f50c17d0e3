"""Raw text to a curated, validated, versioned retraining set, and a model that shows what changed.

    from siftset import curate, keyword, signal

    @signal
    def shouting(text: str) -> bool:
        \"\"\"Text in capitals only.\"\"\"
        return text.isupper()

    (keyword("nike") & ~shouting)("I like my Nike shoes")      # True

Everything is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siftset.pipeline.commands.curate import curate
    from siftset.pipeline.commands.export import export_set
    from siftset.pipeline.commands.train import train_recipe as train
    from siftset.pipeline.model_registry.options import TrainOptions
    from siftset.pipeline.run.context import CurateOptions
    from siftset.signals.builtin.keyword import keyword
    from siftset.signals.builtin.sentiment import sentiment
    from siftset.signals.builtin.text import is_null, length, regex
    from siftset.signals.decider import Decider
    from siftset.signals.decorator import preprocessor, signal
    from siftset.signals.evaluation.decisions import Decisions
    from siftset.signals.formula.formula import Formula, parse
    from siftset.signals.signal import Signal

_PUBLIC = {
    "CurateOptions": "siftset.pipeline.run.context",
    "Decider": "siftset.signals.decider",
    "Decisions": "siftset.signals.evaluation.decisions",
    "Formula": "siftset.signals.formula.formula",
    "Signal": "siftset.signals.signal",
    "TrainOptions": "siftset.pipeline.model_registry.options",
    "curate": "siftset.pipeline.commands.curate",
    "export_set": "siftset.pipeline.commands.export",
    "is_null": "siftset.signals.builtin.text",
    "keyword": "siftset.signals.builtin.keyword",
    "length": "siftset.signals.builtin.text",
    "parse": "siftset.signals.formula.formula",
    "preprocessor": "siftset.signals.decorator",
    "regex": "siftset.signals.builtin.text",
    "sentiment": "siftset.signals.builtin.sentiment",
    "signal": "siftset.signals.decorator",
    "train": "siftset.pipeline.commands.train:train_recipe",
}

__all__ = [
    "CurateOptions",
    "Decider",
    "Decisions",
    "Formula",
    "Signal",
    "TrainOptions",
    "curate",
    "export_set",
    "is_null",
    "keyword",
    "length",
    "parse",
    "preprocessor",
    "regex",
    "sentiment",
    "signal",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'siftset' has no attribute '{name}'")
    module, _, renamed = _PUBLIC[name].partition(":")
    return getattr(import_module(module), renamed or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
