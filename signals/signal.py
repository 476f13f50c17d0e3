"""A named yes/no/unknown question about a row, and what questions combine to.

    nike & ~spam & (sentiment >= 0.05)

Logic is three-valued as in SQL: false & unknown is false, true & unknown is unknown, only true is
kept. A null input makes a signal unknown unless it says nulls="handle".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NoReturn, Self

import polars as pl
from pydantic import JsonValue

from siftset.schemas.errors import SignalError
from siftset.signals.formula.formula import Formula
from siftset.signals.formula.tree import (
    Ask,
    Comparison,
    Fill,
    Node,
    Not,
    Symbol,
    Test,
    digest,
    join,
)

if TYPE_CHECKING:
    from siftset.signals.evaluation.decisions import Decisions

Kind = Literal["expression", "batch", "row"]
Returns = Literal["bool", "score"]
Nulls = Literal["unknown", "handle"]
Accepts = Literal["text", "number", "any"]
Body = Callable[..., object]
Example = tuple[object, object]
Row = str | Mapping[str, object] | None


class Question:
    """What can be asked of a row: a signal, or signals joined by & | ^ ~."""

    __slots__ = ("__weakref__",)

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
        return _joined("&", self, other)

    def __or__(self, other: Question) -> Combination:
        return _joined("|", self, other)

    def __xor__(self, other: Question) -> Combination:
        return _joined("^", self, other)

    def __invert__(self) -> Combination:
        return Combination(Not(self.root), self.parts)

    def fill(self, value: bool) -> Combination:
        """Answer `value` where the question is unknown."""
        if not isinstance(value, bool):
            raise TypeError(f"fill takes True or False, not {value!r:.40}")
        return Combination(Fill(self.root, value), self.parts)

    def __bool__(self) -> NoReturn:
        raise TypeError("signals combine with & | ~, not with and / or / not")

    def decide(self, frame: pl.DataFrame) -> Decisions:
        """Ask every row of a frame."""
        from siftset.signals.evaluation.decider import decider_of

        return decider_of(self).decide(frame)

    def __call__(self, row: Row) -> bool | None:
        """Ask one row: its text, or a mapping of its columns; None stands for unknown."""
        from siftset.signals.evaluation.decider import decide_row

        return decide_row(self, row)

    def check(self, schema: pl.Schema) -> None:
        """Raise SignalError where a signal does not fit the columns."""
        for part in self.parts.values():
            part.check(schema)


def _joined(symbol: Symbol, left: Question, right: object) -> Combination:
    if not isinstance(right, Question):
        kind = type(right).__name__
        raise TypeError(f"signals combine with signals by & | ^ ~, not with {kind} {right!r:.40}")
    parts = dict(left.parts)
    for name, part in right.parts.items():
        if name in parts and parts[name].fingerprint != part.fingerprint:
            raise SignalError(f"two signals are called '{name}'; rename one: signal.named('...')")
        parts[name] = part
    return Combination(join(symbol, left.root, right.root), parts)


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a score, both inclusive, that make a yes or no of it."""

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Signal(Question):
    """A named yes/no/unknown question about a row.

    `function` takes one argument per column: expressions give an expression, series a series of
    the same length, row values one value. A signal that returns a score is asked by a comparison,
    or by its bounds.
    """

    name: str
    kind: Kind
    function: Body
    columns: tuple[str, ...] = ("text",)
    returns: Returns = "bool"
    nulls: Nulls = "unknown"
    bounds: Bounds | None = None
    identity: str | Callable[[], str] = ""
    """Hash of the body and all that it depends on, or a function that gives it."""
    description: str = ""
    examples: tuple[Example, ...] = ()
    accepts: Accepts = "any"
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    defined: str = "python"
    """Where it comes from: a kind of signal, or a file and function."""
    preprocessors: tuple[Preprocessor, ...] = ()
    inputs: tuple[str, ...] = ()
    """The arguments of `function`: columns and preprocessors; the columns where empty."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that its answers depend on."""
        return digest(self.score_fingerprint, repr(self.bounds))

    @property
    def score_fingerprint(self) -> str:
        """Hash of all that its scores depend on: a changed bound leaves it alone."""
        identity = self.identity if isinstance(self.identity, str) else self.identity()
        return digest(identity, ",".join(self.columns), self.nulls, self.returns)

    @property
    def root(self) -> Node:
        """The question as a tree."""
        return Ask(self.name)

    @property
    def parts(self) -> Mapping[str, Signal]:
        """The signal itself, by name."""
        return {self.name: self}

    def named(self, name: str) -> Self:
        """Give the signal another name."""
        return replace(self, name=name)

    def __repr__(self) -> str:
        return f"<signal {self.name}: {self.kind}, {self.returns} of {', '.join(self.columns)}>"

    def _compared(self, symbol: Comparison, value: object) -> Combination:
        if self.returns != "score":
            raise TypeError(f"signal '{self.name}' answers yes or no; it has no score to compare")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"a score is compared with a number, not with {value!r:.40}")
        return Combination(Ask(self.name, test=Test(symbol, float(value))), self.parts)

    def __ge__(self, value: float) -> Combination:
        return self._compared(">=", value)

    def __gt__(self, value: float) -> Combination:
        return self._compared(">", value)

    def __le__(self, value: float) -> Combination:
        return self._compared("<=", value)

    def __lt__(self, value: float) -> Combination:
        return self._compared("<", value)

    def check(self, schema: pl.Schema) -> None:
        """Raise SignalError where columns are missing or of a wrong type."""
        for column in self.columns:
            self._check_column(column, schema)
        if self.kind == "expression" and not self.preprocessors:
            self._check_expression(schema)

    def _check_column(self, column: str, schema: pl.Schema) -> None:
        if column not in schema:
            close = difflib.get_close_matches(column, list(schema), n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise SignalError(
                f"signal '{self.name}' reads column '{column}', which the data lacks{hint}; "
                f"columns: {', '.join(schema)}"
            )
        dtype = schema[column]
        wrong = (self.accepts == "text" and dtype != pl.String) or (
            self.accepts == "number" and not dtype.is_numeric()
        )
        if wrong and dtype != pl.Null:
            raise SignalError(
                f"signal '{self.name}' reads column '{column}' as {self.accepts}, "
                f"but it is {dtype}; map another column or cast it"
            )

    def _check_expression(self, schema: pl.Schema) -> None:
        empty = pl.DataFrame(schema={name: schema[name] for name in self.columns})
        try:
            answer = empty.select(self.expression())
        except pl.exceptions.PolarsError as error:
            raise SignalError(
                f"signal '{self.name}' does not fit the data: {first_line(error)}"
            ) from error
        if answer.height:
            raise SignalError(
                f"signal '{self.name}' gives one value for all rows, expected one for each row; "
                "aggregates and literals depend on the batch"
            )
        self.check_dtype(answer.dtypes[0])

    def check_dtype(self, dtype: pl.DataType) -> None:
        """Raise SignalError unless a body's answers have the type that was promised."""
        right = dtype == pl.Boolean if self.returns == "bool" else dtype.is_numeric()
        if right or dtype == pl.Null:
            return
        expected = "Boolean" if self.returns == "bool" else "a number"
        hint = "; a score says returns='score'" if dtype.is_numeric() else ""
        raise SignalError(f"signal '{self.name}' gives {dtype}, expected {expected}{hint}")

    def expression(self) -> pl.Expr:
        """The body of an expression signal, named after it."""
        answer = self.function(*(pl.col(column) for column in self.inputs or self.columns))
        if not isinstance(answer, pl.Expr):
            kind = type(answer).__name__
            raise SignalError(f"signal '{self.name}' returned {kind}, expected a polars expression")
        return answer.alias(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessor:
    """A step that several signals share and that runs once for each row that needs it."""

    name: str
    kind: Kind
    function: Body
    columns: tuple[str, ...]
    lazy_identity: Callable[[], str]

    @property
    def identity(self) -> str:
        """Hash of the step and all that it depends on."""
        return self.lazy_identity()


def first_line(error: BaseException) -> str:
    """Say what an error says, in one line of at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
