"""A named yes/no/unknown question about a row, and what questions combine to.

    nike & ~spam & (sentiment >= 0.05)

Logic is three-valued as in SQL: false & unknown is false, true & unknown is unknown, only true is
kept. A null input makes a signal unknown unless it says nulls="handle".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakKeyDictionary

import polars as pl

from siftset.schemas.errors import SignalError
from siftset.signals.evaluation.spec import SignalSpec, one_cell
from siftset.signals.formula.formula import Formula
from siftset.signals.formula.tree import (
    AskSignal,
    Comparison,
    FillUnknown,
    Node,
    Not,
    Symbol,
    Test,
    join,
)

if TYPE_CHECKING:
    from siftset.signals.evaluation.decider import FormulaDecider
    from siftset.signals.evaluation.decisions import Decisions

Row = str | Mapping[str, object] | None


class Question:
    """What can be asked of a row: a signal, or signals joined by & | ^ ~."""

    __slots__ = ()

    @property
    def root(self) -> Node:
        """The question as a tree."""
        raise TypeError("a question is a Signal or a Combination")

    @property
    def parts(self) -> Mapping[str, Signal]:
        """The signals asked, by name."""
        raise TypeError("a question is a Signal or a Combination")

    @property
    def formula(self) -> Formula:
        """The question as a formula, which prints and hashes."""
        return Formula(self.root)

    def __and__(self, other: Question) -> Combination:
        return _join_questions("&", self, other)

    def __or__(self, other: Question) -> Combination:
        return _join_questions("|", self, other)

    def __xor__(self, other: Question) -> Combination:
        return _join_questions("^", self, other)

    def __invert__(self) -> Combination:
        return Combination(Not(self.root), self.parts)

    def fill(self, value: bool) -> Combination:
        """Answer `value` where the question is unknown."""
        if not isinstance(value, bool):
            raise TypeError(f"fill takes True or False, not {value!r:.40}")
        return Combination(FillUnknown(self.root, value), self.parts)

    def __bool__(self) -> NoReturn:
        raise TypeError("signals combine with & | ~, not with and / or / not")

    def decide(self, frame: pl.DataFrame) -> Decisions:
        """Ask every row of a frame."""
        return _decider_of(self).decide(frame)

    def __call__(self, row: Row) -> bool | None:
        """Ask one row: its text, or a mapping of its columns; None stands for unknown.

        Raises SignalError where a signal raises.
        """
        decider = _decider_of(self)
        given = row if isinstance(row, Mapping) else dict.fromkeys(decider.columns, row)
        if len(decider.columns) > 1 and not isinstance(row, Mapping):
            raise SignalError(f"give a row with the columns {', '.join(decider.columns)}")
        missing = [column for column in decider.columns if column not in given]
        if missing:
            raise SignalError(f"the row lacks the column '{missing[0]}'")
        cells = {name: one_cell(given[name]) for name in decider.columns}
        decisions = decider.decide(pl.DataFrame(cells))
        if decisions.faults:
            raise SignalError(str(decisions.faults[0]))
        kept: bool | None = decisions.keep[0]
        return kept

    def check(self, schema: pl.Schema) -> None:
        """Raise SignalError where a signal does not fit the columns."""
        for part in self.parts.values():
            part.check(schema)


_deciders: WeakKeyDictionary[Question, FormulaDecider] = WeakKeyDictionary()


def _decider_of(question: Question) -> FormulaDecider:
    """Give the decider of a question, made once."""
    from siftset.signals.evaluation.decider import FormulaDecider

    found = _deciders.get(question)
    if found is None:
        found = _deciders[question] = FormulaDecider(question.formula, question.parts)
    return found


def _join_questions(symbol: Symbol, left: Question, right: object) -> Combination:
    if not isinstance(right, Question):
        kind = type(right).__name__
        raise TypeError(f"signals combine with signals by & | ^ ~, not with {kind} {right!r:.40}")
    parts = dict(left.parts)
    for name, part in right.parts.items():
        if name in parts and parts[name].fingerprint != part.fingerprint:
            raise SignalError(f"two signals are called '{name}'; rename one: signal.named('...')")
        parts[name] = part
    return Combination(join(symbol, left.root, right.root), parts)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Combination(Question):
    """Signals joined by & | ^ ~, comparisons and fills."""

    tree: Node
    signals: Mapping[str, Signal]

    @property
    def root(self) -> Node:
        """The question as a tree."""
        return self.tree

    @property
    def parts(self) -> Mapping[str, Signal]:
        """The signals asked, by name."""
        return self.signals

    def __repr__(self) -> str:
        return f"<formula {self.formula.text}>"


class Signal(SignalSpec, Question):
    """A named yes/no/unknown question about a row."""

    __slots__ = ()

    @property
    def root(self) -> Node:
        """The question as a tree."""
        return AskSignal(self.name)

    @property
    def parts(self) -> Mapping[str, Signal]:
        """The signal itself, by name."""
        return {self.name: self}

    def __repr__(self) -> str:
        return f"<signal {self.name}: {self.kind}, {self.returns} of {', '.join(self.columns)}>"

    def _compare_score(self, symbol: Comparison, value: object) -> Combination:
        if self.returns != "score":
            raise TypeError(f"signal '{self.name}' answers yes or no; it has no score to compare")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"a score is compared with a number, not with {value!r:.40}")
        return Combination(AskSignal(self.name, test=Test(symbol, float(value))), self.parts)

    def __ge__(self, value: float) -> Combination:
        return self._compare_score(">=", value)

    def __gt__(self, value: float) -> Combination:
        return self._compare_score(">", value)

    def __le__(self, value: float) -> Combination:
        return self._compare_score("<=", value)

    def __lt__(self, value: float) -> Combination:
        return self._compare_score("<", value)
