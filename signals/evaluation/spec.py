"""What a signal is made of: its body, its columns, and the checks of its answers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import polars as pl
from pydantic import JsonValue

from siftset.schemas.errors import SignalError, as_exception, describe_error, first_line, name_some
from siftset.signals.formula.tree import digest

Kind = Literal["expression", "batch", "row"]
Returns = Literal["bool", "score"]
Nulls = Literal["unknown", "handle"]
Accepts = Literal["text", "number", "list", "struct", "any"]
Body = Callable[..., object]
Example = tuple[object, object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a score, both inclusive, that make a yes or no of it."""

    minimum: float | None = None
    maximum: float | None = None


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


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False, repr=False)
class SignalSpec:
    """What a signal is made of, which is all that evaluating it needs.

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
    accepts: Accepts | Mapping[str, Accepts] = "any"
    """What all columns hold, or each of them, as a user's function says."""
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

    def named(self, name: str) -> Self:
        """Give the signal another name."""
        return replace(self, name=name)

    def check(self, schema: pl.Schema) -> None:
        """Raise SignalError where columns are missing or of a wrong type."""
        for column in self.columns:
            self._check_column(column, schema)
        if self.kind != "expression" or self.preprocessors:
            return
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

    def _check_column(self, column: str, schema: pl.Schema) -> None:
        if column not in schema:
            close = difflib.get_close_matches(column, list(schema), n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise SignalError(
                f"signal '{self.name}' reads column '{column}', which the data lacks{hint}; "
                f"columns: {name_some(schema)}"
            )
        dtype = schema[column]
        fits = {
            "text": dtype == pl.String,
            "number": dtype.is_numeric(),
            "list": isinstance(dtype, pl.List | pl.Array),
            "struct": isinstance(dtype, pl.Struct),
        }
        said = self.accepts
        accepts = said if isinstance(said, str) else said.get(column, "any")
        if fits.get(accepts, True) or dtype == pl.Null:
            return
        by = "" if isinstance(said, str) else f"annotate it  {column}: {_annotation_of(dtype)}, "
        raise SignalError(
            f"signal '{self.name}' reads column '{column}' as {accepts}, "
            f"but it is {dtype}; {by}map another column or cast it"
        )

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
        columns = self.inputs or self.columns
        return make_expression(f"signal '{self.name}'", self.function, columns).alias(self.name)


def make_expression(what: str, function: Body, columns: Iterable[str]) -> pl.Expr:
    """Ask a user's function for its expression; raise SignalError where it gives none."""
    try:
        answer = function(*(pl.col(column) for column in columns))
    except BaseException as error:
        raise SignalError(
            f"{what} fails before it sees a row: {describe_error(as_exception(error))}"
        ) from error
    if not isinstance(answer, pl.Expr):
        kind = type(answer).__name__
        raise SignalError(f"{what} returned {kind}, expected a polars expression")
    return answer


def _annotation_of(dtype: pl.DataType) -> str:
    """Write the type of what a function is given of a column."""
    if isinstance(dtype, pl.List | pl.Array):
        return f"list[{_annotation_of(dtype.inner)}]"  # type: ignore[arg-type]
    return "dict" if isinstance(dtype, pl.Struct) else dtype.to_python().__name__


def one_cell(value: object) -> pl.Series:
    """Make a column of one value; an absent one counts as a text."""
    return pl.Series([value], dtype=pl.String if value is None else None)
