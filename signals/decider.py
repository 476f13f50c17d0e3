"""Decides frames by a formula and signals that are named, or written out in the formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from siftset.schemas.errors import SignalError
from siftset.signals.evaluation.decider import FormulaDecider
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.formula.formula import Formula
from siftset.signals.formula.tree import Node, replace_leaves
from siftset.signals.registry import build
from siftset.signals.signal import Question, Signal


class Decider(FormulaDecider):
    """Decides frames by a formula; may be shared by threads.

    `order="auto"` measures cost and selectivity on a sample of the first large frame and again when
    the data drifts; `order="pinned"` asks the signals exactly as written. `cache` gives answers of
    earlier runs, which changes what a run costs and nothing else. Raises SignalError and
    FormulaError where a signal does not fit the formula.
    """

    def __init__(
        self,
        formula: Formula,
        signals: Mapping[str, Question],
        *,
        order: Literal["auto", "pinned"] = "auto",
        seed: int = 0,
        cache: ScoreCache | None = None,
    ) -> None:
        # what a name stands for takes its place where that is more than a signal
        trees: dict[str, Node] = {}
        plain: dict[str, Signal] = {}
        for name, question in signals.items():
            if not isinstance(name, str) or not isinstance(question, Question):
                found = type(question).__name__
                raise SignalError(
                    f"signals: {name!r} stands for {question!r:.60} ({found}), expected a name and "
                    "a signal, such as  {'good': keyword(words=['good'])}"
                )
            if isinstance(question, Signal):
                plain[name] = question
            else:
                trees[name] = question.root
                for inner, part in question.parts.items():
                    known = plain.setdefault(inner, part)
                    if known.fingerprint != part.fingerprint:
                        raise SignalError(f"two signals are called '{inner}'; rename one: .named()")
        if trees:
            formula = Formula(replace_leaves(formula.root, trees))
        calls = {name: call.spec for name, call in formula.calls.items() if name not in plain}
        named = {**build(calls, folder=Path.cwd()), **plain}
        super().__init__(formula, named, order=order, seed=seed, cache=cache)
