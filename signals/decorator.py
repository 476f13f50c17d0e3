"""@signal: a function of a user becomes a signal.

    @signal(examples=[("Thank you!", True), ("no", False), (None, None)])
    def polite(text: str, *, words: tuple[str, ...] = ("please", "thank")) -> bool:
        \"\"\"Says please or thank you.\"\"\"
        return any(word in text.casefold() for word in words)

The annotations tell the body: pl.Expr is an expression, pl.Series a batch, anything else one row.
Arguments by position are columns, or preprocessors of that name; keyword-only ones are parameters,
or resources of that name.
"""

from __future__ import annotations

import functools
import inspect
import keyword
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from pydantic import BaseModel, JsonValue, ValidationError, create_model

from siftset.schemas.errors import SignalError, first_line
from siftset.schemas.recipe.section import Section
from siftset.signals.definition import (
    Bound,
    Definition,
    Resource,
    hints_of,
    resource_path,
    type_names,
)
from siftset.signals.evaluation.spec import (
    Accepts,
    Body,
    Bounds,
    Example,
    Kind,
    Nulls,
    Preprocessor,
    Returns,
)
from siftset.signals.signal import Signal


@overload
def signal(function: Body, /) -> Signal: ...
@overload
def signal(
    *,
    name: str | None = None,
    returns: Returns | None = None,
    nulls: Nulls = "unknown",
    examples: Sequence[Example] = (),
    **more: object,
) -> Callable[[Body], Signal]: ...
def signal(function: Body | None = None, /, **options: object) -> Signal | Callable[[Body], Signal]:
    """Make a signal of a function.

    Options: `name`, `returns` (bool or score; read from the annotation of a row function),
    `nulls` ("unknown" or "handle"), `examples` (pairs of value and answer), `bounds` (a pair of
    limits that makes a decision of a score), `resources` (name: file or function without
    arguments) and `pre` (preprocessors). Raises SignalError at once where the definition is wrong.
    """
    made = _Options.of(options)
    if function is not None:
        return _make_signal(function, made)
    return lambda body: _make_signal(body, made)


def preprocessor(function: Body) -> Preprocessor:
    """Make a step that signals share: it runs once for each row that needs it."""
    definition = _read_function(function, _Options())
    bound = Bound(definition, definition.schema())
    return Preprocessor(
        name=function.__name__,
        kind=definition.kind,
        function=bound,
        columns=definition.inputs,
        lazy_identity=functools.cache(lambda: bound.identity(())),
    )


def set_parameters(found: Signal, given: Mapping[str, JsonValue]) -> Signal:
    """Set parameters of a signal that @signal made."""
    if not isinstance(found.function, Bound):
        raise SignalError(f"signal '{found.name}' takes no parameters, found {', '.join(given)}")
    definition = found.function.definition
    try:
        parameters = definition.schema.model_validate(dict(given))
    except ValidationError as error:
        detail, known = error.errors()[0], ", ".join(definition.schema.model_fields) or "none"
        where = ".".join(str(part) for part in detail["loc"])
        said = f"parameter '{where}': {detail['msg']}"
        if detail["type"] == "extra_forbidden":
            said = f"unknown parameter '{where}'; known: {known}"
        raise SignalError(f"signal '{found.name}': {said}") from None
    bound = Bound(definition, parameters)
    return replace(
        found,
        function=bound,
        identity=functools.cache(lambda: bound.identity(found.preprocessors)),
        parameters=parameters.model_dump(mode="json", exclude_defaults=True),
    )


@dataclass(frozen=True, slots=True)
class _Options:
    name: str | None = None
    returns: Returns | None = None
    nulls: Nulls = "unknown"
    examples: tuple[Example, ...] = ()
    bounds: tuple[float | None, float | None] | None = None
    resources: Mapping[str, Resource] | None = None
    pre: tuple[Preprocessor, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, object]) -> _Options:
        known = cls.__slots__
        for key in given:
            if key not in known:
                raise SignalError(f"@signal: unknown option '{key}'; known: {', '.join(known)}")
        values = {key: tuple(value) if key in ("examples", "pre") else value  # type: ignore[arg-type]
                  for key, value in given.items()}  # fmt: skip
        made = cls(**values)  # type: ignore[arg-type]
        if made.nulls not in ("unknown", "handle"):
            raise SignalError(f"@signal: nulls is 'unknown' or 'handle', found {made.nulls!r:.40}")
        if made.returns not in (None, "bool", "score"):
            raise SignalError(f"@signal: returns is 'bool' or 'score', found {made.returns!r:.40}")
        return made


def _make_signal(function: Body, options: _Options) -> Signal:
    _check_function(function)
    name = options.name or function.__name__
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        raise SignalError(f"@signal: '{name}' is no name for a signal; give name='...'")
    definition = _read_function(function, options)
    try:
        parameters = definition.schema()
    except ValidationError as error:
        missing = ", ".join(str(detail["loc"][0]) for detail in error.errors())
        raise SignalError(
            f"@signal: '{name}': give these parameters a default: {missing}"
        ) from None
    bound = Bound(definition, parameters)
    steps = {step.name: step for step in options.pre}
    own = [column for column in definition.inputs if column not in steps]
    columns = [*own, *(column for step in options.pre for column in step.columns)]
    return Signal(
        name=name,
        kind=definition.kind,
        function=bound,
        columns=tuple(dict.fromkeys(columns)),
        returns=options.returns or _answer_type(function, definition.kind),
        nulls=options.nulls,
        bounds=None if options.bounds is None else Bounds(*options.bounds),
        identity=functools.cache(lambda: bound.identity(options.pre)),
        description=inspect.getdoc(function) or "",
        examples=options.examples,
        accepts={
            **{key: kind for step in options.pre for key, kind in _accepted_types(step.function)},
            **dict(_accepted_types(bound)),
        },
        defined=f"{Path(inspect.getfile(function)).name}:{function.__name__}",
        preprocessors=options.pre,
        inputs=definition.inputs,
    )


def _read_function(function: Body, options: _Options) -> Definition:
    _check_function(function)
    name = function.__name__
    found = inspect.signature(function).parameters.values()
    inputs = [
        item for item in found if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
    ]
    if not inputs or any(item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD) for item in found):
        raise SignalError(
            f"@signal: '{name}' needs named arguments, one for each column, as in {name}(text: str)"
        )
    for item in inputs:
        if item.default is not item.empty:
            raise SignalError(f"@signal: '{name}': put * before the parameter '{item.name}'")
    resources = dict(options.resources or {})
    extra = [item for item in found if item.kind is item.KEYWORD_ONLY]
    for resource, file in resources.items():
        if resource not in {item.name for item in extra}:
            raise SignalError(
                f"@signal: '{name}' has no keyword-only argument for "
                f"the resource '{resource}'; write  *, {resource}: frozenset[str]"
            )
        if not callable(file) and not resource_path(function, file).is_file():
            raise SignalError(f"@signal: '{name}': the resource '{resource}' is no file: {file}")
    own = [item for item in extra if item.name not in resources]
    return Definition(
        function, _body_kind(function, inputs), tuple(item.name for item in inputs),
        _parameter_schema(function, own), resources,
    )  # fmt: skip


def _check_function(function: Body) -> None:
    write = "write  def name(text: str) -> bool: return ..."
    if not inspect.isfunction(function):
        raise SignalError(
            f"@signal stands above a function, not above a {type(function).__name__}: {write}  "
            "that calls it"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise SignalError(
            f"@signal: '{function.__name__}' must return its answer: {write}  "
            "without async and yield"
        )


def _parameter_schema(function: Body, items: Sequence[inspect.Parameter]) -> type[BaseModel]:
    try:
        hints = typing.get_type_hints(function, include_extras=True) if items else {}
    except NameError as error:
        raise SignalError(f"@signal: '{function.__name__}': {first_line(error)}") from error
    fields: dict[str, tuple[object, object]] = {}
    for item in items:
        if item.name not in hints:
            raise SignalError(
                f"@signal: '{function.__name__}': annotate the parameter '{item.name}'"
            )
        default = ... if item.default is item.empty else item.default
        fields[item.name] = (hints[item.name], default)
    return create_model(f"{function.__name__}_parameters", __base__=Section, **fields)  # type: ignore[call-overload, no-any-return]


def _body_kind(function: Body, inputs: Sequence[inspect.Parameter]) -> Kind:
    kinds: set[Kind] = set()
    hints = hints_of(function)
    for item in inputs:
        if item.annotation is item.empty:
            raise SignalError(
                f"@signal: '{function.__name__}': annotate '{item.name}' with pl.Expr (a polars "
                "expression), pl.Series (a batch) or str (one row)"
            )
        words = type_names(hints[item.name])
        kinds.add("expression" if "Expr" in words else "batch" if "Series" in words else "row")
    if len(kinds) > 1:
        raise SignalError(
            f"@signal: '{function.__name__}' mixes {' and '.join(sorted(kinds))} arguments"
        )
    return kinds.pop()


def _answer_type(function: Body, kind: Kind) -> Returns:
    words = type_names(hints_of(function).get("return"))
    if kind != "row":
        return "bool"
    if words and words <= {"bool"}:
        return "bool"
    if words and words <= {"float", "int"}:
        return "score"
    raise SignalError(
        f"@signal: '{function.__name__}': say what it returns: -> bool, -> bool | None, or -> float"
    )


def _accepted_types(body: Body) -> Iterator[tuple[str, Accepts]]:
    """Yield what each argument of a function takes; "any" where it may be several kinds."""
    assert isinstance(body, Bound)
    hints = hints_of(body.definition.function)
    kinds: dict[Accepts, set[str]] = {
        "text": {"str"},
        "number": {"int", "float"},
        "list": {"list", "tuple", "set", "Sequence", "Iterable", "Collection"},
        "struct": {"dict", "Mapping"},
    }
    for name in body.definition.inputs:
        words = type_names(hints.get(name))
        yield name, next((kind for kind, known in kinds.items() if words and words <= known), "any")
