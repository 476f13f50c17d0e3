"""The fingerprint of a function: it changes with what the function does, not with its layout.

It covers the syntax tree without docstrings, comments and format; defaults, closures and global
values; and, in the same way, every function, class and object of the user's own code that is
reached: all modules but installed packages, of which the version counts, and Python itself. Files
and environment variables that are named in the code count by their content. Where code cannot be
followed (`getattr`, `eval`, imports at run time), all of the user's own modules that the file
imports count whole: what is scored once too often is right, what is stale is not. What can be
neither followed nor hashed is listed as untracked.

Foreign objects are never called, compared or asked for attributes: `pl.col` answers any.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import NamedTuple

from siftset.signals.evaluation.spec import Preprocessor, SignalSpec
from siftset.signals.formula.tree import digest
from siftset.signals.tracking.environment import WHOLE, find_variables
from siftset.signals.tracking.files import READ_AT_LOAD, file_fingerprint, hash_files
from siftset.signals.tracking.object_state import cell_contents, contents_of, plain_form, state_of
from siftset.signals.tracking.own_code import (
    file_of,
    is_kind,
    is_own,
    is_own_type,
    package_label,
    version_of,
)
from siftset.signals.tracking.source_code import (
    find_imports,
    modules_in,
    names_in,
    names_of_code,
    parse_file,
    strip_docstrings,
    texts_of_code,
    trees_of,
)

_PLAIN = (str, int, float, complex, bool, type(None), range, type(...), type(NotImplemented))
_STATELESS = {"_thread.lock", "_thread.RLock", "_abc._abc_data", "weakref.WeakKeyDictionary"}
"""Kinds of objects without state that an answer could depend on: locks, and caches by object."""
_DYNAMIC = {"getattr", "eval", "exec", "globals", "vars", "__import__", "compile", "importlib"}
_LARGEST_FILE = 100_000_000
_LOOKED_UP = 1_000
"""Texts among values that are tried as names of files: a list of words holds many more."""


class Trace(NamedTuple):
    """What a function reaches."""

    hash: str
    untracked: tuple[str, ...]
    """Names of what could be neither followed nor hashed."""
    files: tuple[Path, ...]
    """Files that are named or imported in the code."""
    variables: tuple[str, ...]
    """Environment variables that are named in the code."""


def trace_function(function: Callable[..., object]) -> Trace:
    """Hash a function and all that it reaches to 32 hex digits, and say what was left out."""
    walk = _Walk()
    found = walk.hash_function(function, top=True) if is_kind(function, FunctionType) else (
        walk.hash_value(function)
    )  # fmt: skip
    files = (*walk.named_files, *walk.files)
    return Trace(found, tuple(walk.untracked), files, tuple(walk.variables))


def trace_file(path: Path) -> str:
    """Hash a file of the user's and all of their own modules that it imports, to 32 hex digits."""
    return _Walk().hash_module_file(path)


def fingerprint(function: Callable[..., object]) -> str:
    """Hash a function and all that it reaches to 32 hex digits."""
    return trace_function(function).hash


class _Walk:
    """One walk over a function and what it reaches; each object is visited once."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.kept: list[object] = []
        self.files: dict[Path, str] = {}
        self.named_files: dict[Path, None] = {}
        self.variables: dict[str, None] = {}
        self.untracked: dict[str, None] = {}
        self.folder = Path()
        """Where the function that was met last stands."""
        self.looked_up = 0
        """Values that were tried as names of files."""
        self.place: list[str] = []
        """The names that led to where the walk is."""

    def hash_function(self, function: Callable[..., object], *, top: bool = False) -> str:
        assert isinstance(function, FunctionType)
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        parts = [self.hash_value(function.__defaults__), self.hash_value(function.__kwdefaults__)]
        closed = {name: cell_contents(cell) for name, cell in cells}
        if not top and not is_own(code.co_filename):
            # a decorator of a package keeps what it wraps in its closure
            return digest(package_label(function), *parts, *map(self.hash_value, closed.values()))
        trees = [strip_docstrings(tree, top=top) for tree in trees_of(code)]
        scope = {**function.__globals__, **closed}
        own = [ast.dump(tree) for tree in trees]
        if len(trees) != 1:
            own += self.hash_code(code)
        names = names_in(trees) if trees else names_of_code(code)
        folder = self.folder = Path(code.co_filename).parent
        parts += own + [self.hash_name(name, scope) for name in names]
        for tree in trees:
            parts += self.hash_surroundings(tree, folder, scope)
        if not trees:
            parts += [self.hash_named_file(text, folder) for text in texts_of_code(code)]
            if not {"environ", "getenv"}.isdisjoint(names):
                self.untracked[WHOLE] = None
        if top:
            read = READ_AT_LOAD.get(code.co_filename, ())
            parts += [digest(str(path), hash_files([path])[path]) for path in read]
        if not _DYNAMIC.isdisjoint(name.partition(".")[0] for name in names):
            parts.append(self.hash_module_file(Path(code.co_filename)))
        return digest(package_label(function) if top and not is_own(code.co_filename) else "",
                      *parts)  # fmt: skip

    def hash_code(self, code: CodeType) -> Iterator[str]:
        yield code.co_code.hex()
        yield " ".join((*code.co_names, *code.co_varnames))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield digest(*self.hash_code(constant))
            else:
                yield self.hash_value(constant)

    def hash_name(self, dotted: str, scope: Mapping[str, object]) -> str:
        """Hash what a dotted name stands for, as far as it can be followed."""
        name, *attributes = dotted.split(".")
        if name not in scope or scope[name] is os.environ:
            return dotted
        found = scope[name]
        while attributes and is_kind(found, ModuleType):
            state = vars(found)
            if attributes[0] not in state or not is_own(file_of(state)):
                break
            found = state[attributes.pop(0)]
        self.place.append(dotted)
        hashed = self.hash_value(found)
        self.place.pop()
        return f"{dotted}={hashed}"

    def hash_surroundings(
        self, tree: ast.AST, folder: Path, scope: Mapping[str, object]
    ) -> Iterator[str]:
        """Hash what a function names in its text: files, environment variables and imports."""
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str() as text):
                    yield self.hash_named_file(text, folder)
                case ast.Import(names=names):
                    yield from (self.hash_import(name.name) for name in names)
                case ast.ImportFrom(module=str() as module, level=0):
                    yield self.hash_import(module)
        found = find_variables(tree, scope)
        self.variables |= dict.fromkeys(found.names)
        self.untracked |= dict.fromkeys(found.untracked)
        yield from (digest("environment", name, repr(os.environ.get(name))) for name in found.names)

    def hash_named_file(self, text: str, folder: Path) -> str:
        """Hash the content of a file that a text names, from here or from beside the code."""
        if not 2 < len(text) < 256 or text.isalnum() or "\n" in text or "\0" in text:
            return ""
        for path in (Path(text).expanduser(), folder / text):
            try:
                if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
                    self.named_files[path.resolve()] = None
                    return f"{text}={file_fingerprint(path)}"
            except (OSError, RuntimeError):
                continue
        return ""

    def hash_import(self, module: str, parts: Iterable[str] = ()) -> str:
        """Hash a module that is imported, and those of its parts that are modules themselves."""
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            self.untracked[f"the module {module}, which is not found"] = None
            return module
        within = spec.submodule_search_locations or ()
        files = [*([spec.origin] if spec.origin else []), *modules_in(within, parts)]
        own = [file for file in files if file.endswith(".py") and is_own(file)]
        if own:
            return digest(*(self.hash_module_file(Path(file)) for file in own))
        return f"{module} {version_of(module.partition('.')[0])}"

    def hash_module_file(self, path: Path) -> str:
        """Hash a file of the user's and, in turn, all of their own modules that it imports."""
        path = path.resolve()
        if path not in self.files:
            self.files[path] = "again"
            try:
                tree = parse_file(path.read_bytes())
            except (OSError, SyntaxError, ValueError):
                self.untracked[f"the file {path.name}, which is not readable"] = None
                return ""
            beside, elsewhere = find_imports(tree, path)
            imported = [
                self.hash_import(name, sorted(elsewhere[name])) for name in sorted(elsewhere)
            ]
            imported += map(self.hash_module_file, sorted(beside))
            self.files[path] = digest(ast.dump(strip_docstrings(tree, top=False)), *imported)
        return self.files[path]

    def hash_value(self, value: object) -> str:
        kind = type(value)
        if kind is str and ("." in value or os.sep in value) and self.looked_up < _LOOKED_UP:  # type: ignore[operator]
            # a constant may name a file that a function reads
            self.looked_up += 1
            return f"str:{value!r}{self.hash_named_file(value, self.folder)}"  # type: ignore[arg-type]
        if kind in _PLAIN:
            return f"{kind.__name__}:{value!r}"
        if kind is bytes:
            return digest("bytes", hashlib.sha256(value).hexdigest())  # type: ignore[arg-type]
        key = id(value)
        if key not in self.seen:
            self.seen[key] = "again"
            self.kept.append(value)  # an id is given again once its object is gone
            self.seen[key] = self._hash_object(value)
        return self.seen[key]

    def _hash_object(self, value: object) -> str:  # noqa: C901
        ours = ("builtins", "types", "functools", "re")
        known = value if type(value).__module__ in ours else None
        match known:
            case re.Pattern():
                return digest("pattern", repr(known.pattern), str(known.flags))
            case tuple() | list():
                return digest(type(known).__name__, *map(self.hash_value, known))
            case set() | frozenset():
                return digest("set", *sorted(map(self.hash_value, known)))
            case dict() | MappingProxyType():
                return digest("dict", *(self.hash_value(part) for pair in known.items()
                                        for part in pair))  # fmt: skip
            case FunctionType():
                return self.hash_function(known)
            case MethodType():
                return digest(self.hash_value(known.__func__), self.hash_value(known.__self__))
            case staticmethod() | classmethod():
                return self.hash_value(known.__func__)
            case property():
                return digest("property", *map(self.hash_value, (known.fget, known.fset)))
            case functools.partial():
                return digest("partial", *map(self.hash_value, (
                    known.func, known.args, known.keywords)))  # fmt: skip
            case BuiltinFunctionType():
                owner = None if is_kind(known.__self__, ModuleType) else known.__self__
                return digest(package_label(known), self.hash_value(owner))
            case GetSetDescriptorType() | MemberDescriptorType():
                return package_label(known)
        if is_kind(value, Path):
            return f"path:{value}{self.hash_named_file(str(value), self.folder)}"
        if value is os.environ:
            self.untracked[WHOLE] = None
            return "environment"
        if is_kind(value, SignalSpec):
            return value.fingerprint  # type: ignore[attr-defined, no-any-return]
        if is_kind(value, Preprocessor):
            return value.identity  # type: ignore[attr-defined, no-any-return]
        if issubclass(type(value), ModuleType) and isinstance(value, ModuleType):
            file, name = file_of(vars(value)), str(vars(value).get("__name__"))
            if file.endswith(".py") and is_own(file):
                return self.hash_module_file(Path(file))
            return f"module:{name} {version_of(name.partition('.')[0])}"
        if is_kind(value, type):
            return self._hash_type(value)  # type: ignore[arg-type]
        return self._hash_instance(value)

    def _hash_type(self, cls: type) -> str:
        """Hash a class: of the user's own all that it holds, its bases too, of others the label."""
        state = vars(cls)
        if not is_own_type(cls):
            return package_label(cls)
        # a metaclass answers for its class too
        above = (*cls.__bases__, type(cls))
        parts = [cls.__qualname__, *(self.hash_value(one) for one in above)]
        for name, value in sorted(state.items()):
            # what Python or a decorator gives to a class says nothing, what stands in a file does
            by_hand = isinstance(value, FunctionType) and not (
                value.__code__.co_filename.startswith("<")
            )
            if name.startswith("__") and not by_hand:
                continue
            if name != "_abc_impl":
                parts += [name, self.hash_value(value)]
        return digest(*parts, repr(sorted(state.get("__annotations__", {}))))

    def _hash_instance(self, value: object) -> str:
        cls = type(value)
        kind = self.hash_value(cls)
        if f"{cls.__module__}.{cls.__qualname__}" in _STATELESS:
            return kind
        plain = plain_form(value)
        if plain is not None:
            return digest(kind, self.hash_value(plain))
        # objects that answer for any attribute are asked for none
        asks = any("__getattr__" in vars(base) for base in cls.__mro__)
        named = ("__reduce__", "__reduce_ex__", "__getstate__")
        defines = any(name in vars(base) for base in cls.__mro__[:-1] for name in named)
        reduced: object = ""
        if not is_own_type(cls) and (defines or not asks):
            try:
                reduced = cls.__reduce_ex__(value, 4)
                if isinstance(reduced, tuple):
                    made, given, *rest = reduced
                    filled = [list(one) if one is not None else None for one in rest[1:3]]
                    return digest(kind, *map(self.hash_value, (made, given, *rest[:1], *filled)))
            except Exception:
                reduced = None
        state = state_of(value)
        if reduced is None and not state:
            named_by = ".".join(self.place[-1:]) or "an object"
            self.untracked[f"{named_by} ({cls.__module__}.{cls.__qualname__})"] = None
        parts = [f"{name}={self.hash_value(state[name])}" for name in sorted(state)]
        return digest(kind, str(reduced), *parts, *map(self.hash_value, contents_of(value)))
