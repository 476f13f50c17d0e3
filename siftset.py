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
    from pipeline.context import CurateOptions
    from pipeline.curate import curate
    from pipeline.export import export_set
    from pipeline.train import TrainOptions
    from pipeline.train import train_recipe as train
    from signals.decide import Decider
    from signals.decisions import Decisions
    from signals.decorator import preprocessor, signal
    from signals.formula import Formula, parse
    from signals.keyword import keyword
    from signals.sentiment import sentiment
    from signals.signal import Signal
    from signals.text import is_null, length, regex

_PUBLIC = {
    "CurateOptions": "pipeline.context",
    "Decider": "signals.decide",
    "Decisions": "signals.decisions",
    "Formula": "signals.formula",
    "Signal": "signals.signal",
    "TrainOptions": "pipeline.train",
    "curate": "pipeline.curate",
    "export_set": "pipeline.export",
    "is_null": "signals.text",
    "keyword": "signals.keyword",
    "length": "signals.text",
    "parse": "signals.formula",
    "preprocessor": "signals.decorator",
    "regex": "signals.text",
    "sentiment": "signals.sentiment",
    "signal": "signals.decorator",
    "train": "pipeline.train:train_recipe",
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
