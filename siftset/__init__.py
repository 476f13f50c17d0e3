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
    from siftset.pipeline.approval.diff import diff
    from siftset.pipeline.approval.tag import tag
    from siftset.pipeline.commands.compare import compare_models as compare
    from siftset.pipeline.commands.curate import curate
    from siftset.pipeline.commands.explain import explain_recipe as explain
    from siftset.pipeline.commands.export import export_set
    from siftset.pipeline.commands.predict import predict_texts as predict
    from siftset.pipeline.commands.train import train_recipe as train
    from siftset.pipeline.gate.gx.context import open_gx_project
    from siftset.pipeline.model_registry.options import TrainOptions
    from siftset.pipeline.proof.verb import proof
    from siftset.pipeline.refresh.plans import apply, list_plans, plan
    from siftset.pipeline.refresh.set_and_model import refresh
    from siftset.pipeline.run.context import CurateOptions
    from siftset.schemas.recipe.model import Recipe
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
    "Recipe": "siftset.schemas.recipe.model",
    "Signal": "siftset.signals.signal",
    "TrainOptions": "siftset.pipeline.model_registry.options",
    "apply": "siftset.pipeline.refresh.plans",
    "compare": "siftset.pipeline.commands.compare:compare_models",
    "curate": "siftset.pipeline.commands.curate",
    "diff": "siftset.pipeline.approval.diff",
    "explain": "siftset.pipeline.commands.explain:explain_recipe",
    "export_set": "siftset.pipeline.commands.export",
    "is_null": "siftset.signals.builtin.text",
    "keyword": "siftset.signals.builtin.keyword",
    "length": "siftset.signals.builtin.text",
    "list_plans": "siftset.pipeline.refresh.plans",
    "open_gx_project": "siftset.pipeline.gate.gx.context",
    "parse": "siftset.signals.formula.formula",
    "plan": "siftset.pipeline.refresh.plans",
    "predict": "siftset.pipeline.commands.predict:predict_texts",
    "preprocessor": "siftset.signals.decorator",
    "proof": "siftset.pipeline.proof.verb",
    "refresh": "siftset.pipeline.refresh.set_and_model",
    "regex": "siftset.signals.builtin.text",
    "sentiment": "siftset.signals.builtin.sentiment",
    "signal": "siftset.signals.decorator",
    "tag": "siftset.pipeline.approval.tag",
    "train": "siftset.pipeline.commands.train:train_recipe",
}

__all__ = [
    "CurateOptions",
    "Decider",
    "Decisions",
    "Formula",
    "Recipe",
    "Signal",
    "TrainOptions",
    "__version__",
    "apply",
    "compare",
    "curate",
    "diff",
    "explain",
    "export_set",
    "is_null",
    "keyword",
    "length",
    "list_plans",
    "open_gx_project",
    "parse",
    "plan",
    "predict",
    "preprocessor",
    "proof",
    "refresh",
    "regex",
    "sentiment",
    "signal",
    "tag",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("siftset")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'siftset' has no attribute '{name}'")
    module, _, renamed = _PUBLIC[name].partition(":")
    return getattr(import_module(module), renamed or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
