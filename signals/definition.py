"""A user's function as @signal has read it, with its parameters set and its resources loaded."""

from __future__ import annotations

import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from siftset.schemas.errors import SignalError, first_line
from siftset.signals.evaluation.spec import Body, Kind, Preprocessor, SignalSpec
from siftset.signals.formula.tree import digest
from siftset.signals.tracking.files import file_fingerprint
from siftset.signals.tracking.fingerprint import Trace, fingerprint, trace_function

Resource = str | Path | Callable[[], object]

_LOADERS: dict[str, Callable[[Path], object]] = {
    "Path": lambda path: path,
    "str": lambda path: path.read_text("utf-8"),
    "bytes": lambda path: path.read_bytes(),
    "dict": lambda path: json.loads(path.read_text("utf-8")),
    "list": lambda path: list(_read_lines(path)),
    "tuple": lambda path: tuple(_read_lines(path)),
    "set": lambda path: set(_read_lines(path)),
    "frozenset": lambda path: frozenset(_read_lines(path)),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a decorated function says of itself."""

    function: Body
    kind: Kind
    inputs: tuple[str, ...]
    schema: type[BaseModel]
    resources: Mapping[str, Resource]


@dataclass(frozen=True, slots=True)
class Bound:
    """A user's function with its parameters set; resources are loaded when first needed."""

    definition: Definition
    parameters: BaseModel

    def __call__(self, *inputs: object) -> object:
        """Call the function."""
        return self.definition.function(
            *inputs, **self.parameter_values(), **resources_of(self.definition)
        )

    def parameter_values(self) -> dict[str, object]:
        """The parameters by name."""
        return {name: getattr(self.parameters, name) for name in type(self.parameters).model_fields}

    @property
    def trace(self) -> Trace:
        """What the function reaches."""
        return _trace_function(self.definition.function)

    def resource_files(self) -> list[Path]:
        """The files among the resources."""
        found = self.definition.resources.values()
        function = self.definition.function
        return [resource_path(function, item) for item in found if not callable(item)]

    def identity(self, preprocessors: Sequence[Preprocessor]) -> str:
        """Hash the function, its helpers, parameters, resources and preprocessors."""
        definition = self.definition
        files = []
        for name, resource in sorted(definition.resources.items()):
            if callable(resource):
                content = fingerprint(resource)
            else:
                # what ends the lines of a file that is read as text does not count
                path = resource_path(definition.function, resource)
                kind = next(iter(type_names(hints_of(definition.function).get(name))), "str")
                if kind in ("Path", "bytes", "dict"):
                    content = file_fingerprint(path)
                else:
                    lines = [path.read_text("utf-8")] if kind == "str" else _read_lines(path)
                    unordered = kind in ("set", "frozenset")
                    content = digest(*(sorted(set(lines)) if unordered else lines))
            files.append(f"{name}={content}")
        steps = [step.identity for step in preprocessors]
        return digest(self.trace.hash, self.parameters.model_dump_json(), *files, *steps)


def untracked_lines(signals: Iterable[SignalSpec]) -> list[str]:
    """Name what users' signals depend on that cannot be followed, a line each."""
    lines: dict[str, None] = {}
    for signal in signals:
        bodies = [signal.function, *(step.function for step in signal.preprocessors)]
        for body in bodies:
            for name in body.trace.untracked if isinstance(body, Bound) else ():
                lines[
                    f"signal '{signal.name}': not tracked: {name}; changes of it go unnoticed: "
                    "name the file it comes from in resources=, or make it a parameter"
                ] = None
    return list(lines)


def type_names(annotation: object) -> set[str]:
    """The bare names of an annotation without None: {'bool'} of bool | None."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(type_names, typing.get_args(annotation)))
    if origin is typing.Annotated:
        return type_names(typing.get_args(annotation)[0])
    annotation = origin or annotation
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    text = text.replace(" ", "").replace("Optional[", "").replace("typing.", "").strip("'\"")
    parts = [part.partition("[")[0].rstrip("]").rpartition(".")[2] for part in text.split("|")]
    return {part for part in parts if part not in ("None", "NoneType", "")}


def hints_of(function: Body) -> dict[str, object]:
    """Give the annotations of a function, as types where they can be found, else as written."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name that is known to a type checker alone, or no annotation at all
        return dict(getattr(function, "__annotations__", {}))


def resource_path(function: Body, resource: str | Path) -> Path:
    """The path of a resource, relative to the file of the function."""
    return Path(inspect.getfile(function)).parent / resource


@functools.lru_cache(maxsize=1024)
def _trace_function(function: Body) -> Trace:
    """Trace a function once, while what it imports can be found."""
    return trace_function(function)


@functools.lru_cache(maxsize=256)
def _load_resource(function: Body, name: str, resource: Resource) -> object:
    if callable(resource):
        return resource()
    path = resource_path(function, resource)
    words = type_names(hints_of(function).get(name))
    loader = _LOADERS.get(next(iter(words), ""), _LOADERS["str"])
    try:
        return loader(path)
    except (OSError, ValueError) as error:
        raise SignalError(f"resource '{name}' ({path.name}): {first_line(error)}") from error


def resources_of(definition: Definition) -> dict[str, object]:
    """Load the resources of a signal, once in a process."""
    found = definition.resources.items()
    return {name: _load_resource(definition.function, name, resource) for name, resource in found}


def _read_lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text("utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
