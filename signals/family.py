"""What a kind of signal is made of: typed parameters, a builder, examples, a definition."""

from __future__ import annotations

import difflib
import inspect
import json
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue, ValidationError

from siftset.schemas.errors import SignalError
from siftset.schemas.recipe.section import Section
from siftset.signals.evaluation.spec import Accepts, Body, Bounds, Kind, Nulls, Returns
from siftset.signals.formula.tree import digest
from siftset.signals.signal import Signal
from siftset.signals.tracking.fingerprint import trace_function

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Parameters(Section):
    """What every kind takes."""

    column: str = Field("text", description="The column that is read.")


class Thresholds(Parameters):
    """Limits of a score, both inclusive; without them the formula compares the score."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class FamilyExample:
    """An example that documents a kind and is run by its tests."""

    parameters: Mapping[str, JsonValue]
    value: object
    expected: bool | float | None


@dataclass(frozen=True, slots=True)
class Build:
    """Makes one signal of a kind: what the builder of a family is given."""

    name: str
    family: Family
    parameters: Section
    folder: Path
    contents: list[str] = field(default_factory=list)
    """Hashes of the files, models and lists that the signal depends on."""

    def depends(self, *contents: str) -> None:
        """Make the fingerprint depend on texts: a file's hash, a model's id and revision."""
        self.contents.extend(contents)

    def words(self, source: str) -> tuple[str, ...]:
        """Read a shipped list by name, or a text, CSV or Parquet file beside the recipe."""
        from siftset.signals.words.lists import read_words

        words = read_words(source, folder=self.folder, signal=self.name)
        self.depends(*words)
        return words

    def expression(self, body: Body, **options: object) -> Signal:
        """Make a signal of pl.Expr -> pl.Expr; the options are those of `signal`."""
        return self._make_signal("expression", body, Options(**options))  # type: ignore[arg-type]

    def batch(self, body: Body, **options: object) -> Signal:
        """Make a signal of pl.Series -> pl.Series; the options are those of `signal`."""
        return self._make_signal("batch", body, Options(**options))  # type: ignore[arg-type]

    def row(self, body: Body, **options: object) -> Signal:
        """Make a signal of value -> bool, number or None; the options are those of `signal`."""
        return self._make_signal("row", body, Options(**options))  # type: ignore[arg-type]

    def _make_signal(self, kind: Kind, body: Body, options: Options) -> Signal:
        bounds = options.bounds
        if (
            bounds is None
            and options.returns == "score"
            and isinstance(self.parameters, Thresholds)
        ):
            bounds = bounds_of(self.parameters)
        limits = {"min", "max"} if isinstance(self.parameters, Thresholds) else set()
        values = self.parameters.model_dump(mode="json", exclude=limits)
        for name in self.family.unordered:
            values[name] = sorted(values[name], key=repr)
        given = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
        # a kind of another package changes with that package, or with its code while it is edited
        builder = self.family.builder
        foreign = not builder.__module__.startswith("siftset.")
        package = (trace_function(builder).hash,) if foreign else ()
        return Signal(
            name=self.name,
            kind=kind,
            function=body,
            columns=options.columns or (str(getattr(self.parameters, "column", "text")),),
            returns=options.returns,
            nulls=self.family.nulls,
            bounds=bounds,
            identity=digest(
                self.family.kind, str(self.family.version), given, *self.contents, *package
            ),
            description=self.family.summary,
            accepts=options.accepts,
            parameters=self.parameters.model_dump(mode="json", exclude_defaults=True),
            defined=self.family.kind,
        )


@dataclass(frozen=True, slots=True)
class Options:
    """What a family may say of its signal.

    `returns` is bool or score; `bounds` make a decision of a score (by default the parameters `min`
    and `max`); `columns` are those read (by default the parameter `column`); `accepts` is the type
    of column that fits.
    """

    returns: Returns = "bool"
    bounds: Bounds | None = None
    columns: tuple[str, ...] = ()
    accepts: Accepts = "text"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of signal that a recipe can name."""

    kind: str
    parameters: type[Section]
    builder: Callable[..., Signal]
    description: str
    examples: tuple[FamilyExample, ...]
    nulls: Nulls
    definition: str
    """Where the rule comes from: a paper, a standard, a package and its version."""
    version: int
    positional: str = "column"
    """The parameter that may be given without its name from Python."""
    unordered: tuple[str, ...] = ()
    """Parameters whose items may stand in any order and mean the same."""

    def __call__(self, *values: str, name: str | None = None, **given: object) -> Signal:
        r"""Make a signal from Python: keyword("nike"), length(min=3), regex(r"\d", name="digits").

        Without a name it is called after its only value, if that can be a name, else after its kind
        and parameters. Files are relative to the current folder.
        """
        if values:
            many = "tuple" in str(self.parameters.model_fields[self.positional].annotation)
            given[self.positional] = list(values) if many else values[0]
        one_word = len(values) == 1 and self.positional != "column"
        only = values[0].lower() if one_word else ""
        if not (only.isascii() and only.isidentifier()) or keyword.iskeyword(only):
            only = f"{self.kind}_{digest(repr(sorted(given.items())))[:8]}"
        return self.build(name or only, given, folder=Path.cwd())

    @property
    def summary(self) -> str:
        """The first line of the description."""
        return self.description.splitlines()[0]

    def build(self, name: str, given: Mapping[str, object], *, folder: Path) -> Signal:
        """Make a signal; raise SignalError for parameters that do not fit."""
        try:
            parameters = self.parameters.model_validate(dict(given))
        except ValidationError as error:
            found = "; ".join(self._explain_error(detail) for detail in error.errors()[:3])
            raise SignalError(f"signal '{name}': {found}") from None
        return self.builder(parameters, Build(name, self, parameters, folder))

    def _explain_error(self, detail: ErrorDetails) -> str:
        where = ".".join([self.kind, *(str(part) for part in detail["loc"])])
        if detail["type"] == "extra_forbidden":
            known = list(self.parameters.model_fields)
            close = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
            return f"{where}: unknown key ({hint})"
        message = detail["msg"].removeprefix("Value error, ")
        return f"{where}: {message[0].lower()}{message[1:]}"


def family(
    parameters: type[Section],
    *,
    definition: str,
    examples: Sequence[tuple[Mapping[str, JsonValue], object, bool | float | None]] = (),
    nulls: Nulls = "unknown",
    version: int = 1,
    positional: str = "column",
    unordered: tuple[str, ...] = (),
) -> Callable[[Callable[..., Signal]], Family]:
    """Make a kind of signal of a builder; the function's name is the kind.

    The docstring is the description, `version` is raised when the same parameters begin to mean
    something else, so that cached scores are dropped.
    """

    def make_family(builder: Callable[..., Signal]) -> Family:
        return Family(
            kind=builder.__name__.rstrip("_"),
            parameters=parameters,
            builder=builder,
            description=inspect.getdoc(builder) or builder.__name__,
            examples=tuple(FamilyExample(*example) for example in examples),
            nulls=nulls,
            definition=definition,
            version=version,
            positional=positional,
            unordered=unordered,
        )

    return make_family


def bounds_of(parameters: Thresholds) -> Bounds | None:
    """Make bounds of the parameters min and max; None where neither is given."""
    if parameters.min is None and parameters.max is None:
        return None
    least, most = parameters.min, parameters.max
    return Bounds(None if least is None else float(least), None if most is None else float(most))
