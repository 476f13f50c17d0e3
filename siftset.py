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
    from signals.sentiment import sentiment

    from signals.decide import Decider
    from signals.decisions import Decisions
    from signals.decorator import preprocessor, signal
    from signals.formula import Formula, parse
    from signals.keyword import keyword
    from signals.signal import Signal
    from signals.text import is_null, length, regex

_PUBLIC = {
    "Decider": "signals.decide",
    "Decisions": "signals.decisions",
    "Formula": "signals.formula",
    "Signal": "signals.signal",
    "is_null": "signals.text",
    "keyword": "signals.keyword",
    "length": "signals.text",
    "parse": "signals.formula",
    "preprocessor": "signals.decorator",
    "regex": "signals.text",
    "sentiment": "signals.sentiment",
    "signal": "signals.decorator",
}

__all__ = [
    "Decider",
    "Decisions",
    "Formula",
    "Signal",
    "is_null",
    "keyword",
    "length",
    "parse",
    "preprocessor",
    "regex",
    "sentiment",
    "signal",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'siftset' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
