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
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
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

_PLAIN = (str, int, float, complex, bool, type(None), range, type(...), type(NotImplemented))
_STATELESS = {"_thread", "threading", "weakref", "_weakref", "_abc", "_weakrefset", "contextvars"}
"""Modules whose objects hold no state that an answer could depend on."""
_DYNAMIC = {"getattr", "eval", "exec", "globals", "vars", "__import__", "compile", "importlib"}
_HOME = Path(__file__).resolve().parents[1]
_FOREIGN = (
    *(_HOME / room for room in ("schemas", "signals", "trainer", "pipeline", "data")),
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")),
)
_LARGEST_FILE = 100_000_000

READ_AT_LOAD: dict[str, tuple[Path, ...]] = {}
"""The files that a user's file read while it was loaded: they count for all that it defines."""


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
    found = walk.hash_function(function, top=True) if _is(function, FunctionType) else (
        walk.hash_value(function)
    )  # fmt: skip
    files = (*walk.named_files, *walk.files)
    return Trace(found, tuple(walk.untracked), files, tuple(walk.variables))


def fingerprint(function: Callable[..., object]) -> str:
    """Hash a function and all that it reaches to 32 hex digits."""
    return trace_function(function).hash


def file_fingerprint(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:32]


def hash_files(paths: Iterable[Path]) -> dict[Path, str]:
    """Hash the content of files; an empty text stands for one that is not there."""
    return {path: file_fingerprint(path) if path.is_file() else "" for path in paths}


def package_label(value: object) -> str:
    """Name the module and place of a class or function, and the version of its package."""
    state = vars(value) if _is(value, type) else {}
    module = state.get("__module__") or getattr(value, "__module__", None) or "builtins"
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{module}.{name} {_version_of(str(module).partition('.')[0])}"


def _is(value: object, *kinds: type) -> bool:
    """Tell the kind of an object without asking it: `isinstance` reads its __class__."""
    return issubclass(type(value), kinds)


@functools.cache
def _version_of(package: str) -> str:
    if package in sys.stdlib_module_names:
        return ""
    found = vars(sys.modules[package]).get("__version__") if package in sys.modules else None
    try:
        return str(found) if _is(found, str) else metadata.version(package)
    except metadata.PackageNotFoundError:
        # what is imported as yaml is installed as PyYAML; several may share a namespace
        names = sorted(set(metadata.packages_distributions().get(package, ())))
        return " ".join(f"{name} {metadata.version(name)}" for name in names)


@functools.cache
def is_own(file: str) -> bool:
    """Tell whether a file is the user's own code: neither installed nor Python's nor ours."""
    if file.startswith("<"):
        return not file.startswith("<frozen")
    path = Path(file).resolve()
    if not {"site-packages", "dist-packages"}.isdisjoint(path.parts):
        return False
    return not any(path.is_relative_to(place) for place in _FOREIGN)


class _Walk:
    """One walk over a function and what it reaches; each object is visited once."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.kept: list[object] = []
        self.files: dict[Path, str] = {}
        self.named_files: dict[Path, None] = {}
        self.variables: dict[str, None] = {}
        self.untracked: dict[str, None] = {}
        self.place: list[str] = []
        """The names that led to where the walk is."""

    def hash_function(self, function: Callable[..., object], *, top: bool = False) -> str:
        assert isinstance(function, FunctionType)
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        parts = [self.hash_value(function.__defaults__), self.hash_value(function.__kwdefaults__)]
        closed = {name: _cell_contents(cell) for name, cell in cells}
        if not top and not is_own(code.co_filename):
            # a decorator of a package keeps what it wraps in its closure
            return digest(package_label(function), *parts, *map(self.hash_value, closed.values()))
        trees = [_bare(tree, top=top) for tree in _trees_of(code)]
        scope = {**function.__globals__, **closed}
        own = [ast.dump(tree) for tree in trees]
        if len(trees) != 1:
            own += self.hash_code(code)
        names = _names_in(trees) if trees else _names_of_code(code)
        parts += own + [self.hash_name(name, scope) for name in names]
        folder = Path(code.co_filename).parent
        for tree in trees:
            parts += self.hash_surroundings(tree, folder)
        if not trees:
            parts += [self.hash_named_file(text, folder) for text in _texts_of_code(code)]
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
        if name not in scope:
            return dotted
        found = scope[name]
        while attributes and _is(found, ModuleType):
            state = vars(found)
            if attributes[0] not in state or not is_own(_file_of(state)):
                break
            found = state[attributes.pop(0)]
        self.place.append(dotted)
        hashed = self.hash_value(found)
        self.place.pop()
        return f"{dotted}={hashed}"

    def hash_surroundings(self, tree: ast.AST, folder: Path) -> Iterator[str]:
        """Hash what a function names in its text: files, environment variables and imports."""
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str() as text):
                    yield self.hash_named_file(text, folder)
                case ast.Import(names=names):
                    yield from (self.hash_import(name.name) for name in names)
                case ast.ImportFrom(module=str() as module, level=0):
                    yield self.hash_import(module)
                case ast.Subscript(value=owner, slice=key) if _dotted(owner) == "os.environ":
                    yield self.hash_variable(key)
                case ast.Call(func=called, args=[key, *_]) if _dotted(called) in (
                    "os.getenv",
                    "os.environ.get",
                ):
                    yield self.hash_variable(key)

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

    def hash_variable(self, key: ast.expr) -> str:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            self.variables[key.value] = None
            return digest("environment", key.value, repr(os.environ.get(key.value)))
        self.untracked[f"the environment variable {ast.unparse(key)}"] = None
        return ""

    def hash_import(self, module: str) -> str:
        """Hash a module that is imported inside a function."""
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            self.untracked[f"the module {module}, which is not found"] = None
        elif spec.origin and is_own(spec.origin) and spec.origin.endswith(".py"):
            return self.hash_module_file(Path(spec.origin))
        return f"{module} {_version_of(module.partition('.')[0])}"

    def hash_module_file(self, path: Path) -> str:
        """Hash a file of the user's and, in turn, all of their own modules that it imports."""
        path = path.resolve()
        if path not in self.files:
            self.files[path] = "again"
            try:
                tree = _parse_file(path.read_bytes())
            except (OSError, SyntaxError, ValueError):
                self.untracked[f"the file {path.name}, which is not readable"] = None
                return ""
            names, files = set[str](), set[Path]()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    names.update(name.name for name in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level:
                    folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                    named = [folder.with_suffix(".py"), folder / "__init__.py"]
                    named += [folder / f"{name.name}.py" for name in node.names]
                    files.update(file for file in named if file.is_file())
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module)
            imported = [self.hash_import(name) for name in sorted(names)]
            imported += map(self.hash_module_file, sorted(files))
            self.files[path] = digest(ast.dump(_bare(tree, top=False)), *imported)
        return self.files[path]

    def hash_value(self, value: object) -> str:
        kind = type(value)
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
                owner = None if _is(known.__self__, ModuleType) else known.__self__
                return digest(package_label(known), self.hash_value(owner))
            case GetSetDescriptorType() | MemberDescriptorType():
                return package_label(known)
        if _is(value, Path):
            return f"path:{value}"
        if _is(value, SignalSpec):
            return value.fingerprint  # type: ignore[attr-defined, no-any-return]
        if _is(value, Preprocessor):
            return value.identity  # type: ignore[attr-defined, no-any-return]
        if issubclass(type(value), ModuleType) and isinstance(value, ModuleType):
            file, name = _file_of(vars(value)), str(vars(value).get("__name__"))
            if file.endswith(".py") and is_own(file):
                return self.hash_module_file(Path(file))
            return f"module:{name} {_version_of(name.partition('.')[0])}"
        if _is(value, type):
            return self._hash_type(value)  # type: ignore[arg-type]
        return self._hash_instance(value)

    def _hash_type(self, cls: type) -> str:
        """Hash a class: of the user's own all that it holds, its bases too, of others the label."""
        state = vars(cls)
        if not _is_own_type(cls):
            return package_label(cls)
        parts = [cls.__qualname__, *(self.hash_value(base) for base in cls.__bases__)]
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
        if cls.__module__ in _STATELESS:
            return kind
        # objects that answer for any attribute are asked for none
        asks = any("__getattr__" in vars(base) for base in cls.__mro__)
        named = ("__reduce__", "__reduce_ex__", "__getstate__")
        defines = any(name in vars(base) for base in cls.__mro__[:-1] for name in named)
        reduced: object = ""
        if not _is_own_type(cls) and (defines or not asks):
            try:
                reduced = cls.__reduce_ex__(value, 4)
                if isinstance(reduced, tuple):
                    made, given, *rest = reduced
                    filled = [list(one) if one is not None else None for one in rest[1:3]]
                    return digest(kind, *map(self.hash_value, (made, given, *rest[:1], *filled)))
            except Exception:
                reduced = None
        state = _state_of(value)
        if reduced is None and not state:
            named_by = ".".join(self.place[-1:]) or "an object"
            self.untracked[f"{named_by} ({cls.__module__}.{cls.__qualname__})"] = None
        parts = [f"{name}={self.hash_value(state[name])}" for name in sorted(state)]
        return digest(kind, str(reduced), *parts, *map(self.hash_value, _contents_of(value)))


def _cell_contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet: a function that refers to itself while it is made
        return None


def _file_of(module: Mapping[str, object]) -> str:
    """Give the file of a module, or the folder of a package without one, by its names."""
    places: Sequence[str] = [*module.get("__path__", ())]  # type: ignore[misc]
    return str(module.get("__file__") or (places[0] if places else "<frozen>"))


def _is_own_type(cls: type) -> bool:
    methods = (one for one in vars(cls).values() if isinstance(one, FunctionType))
    code = next((one.__code__.co_filename for one in methods), "<frozen>")
    module = sys.modules.get(cls.__module__)
    return is_own(code if module is None else _file_of(vars(module)))


def _state_of(value: object) -> dict[str, object]:
    """Give the attributes that an object holds, in its __dict__ and in slots."""
    state: dict[str, object] = {}
    for base in type(value).__mro__:
        for name, slot in vars(base).items() if "__slots__" in vars(base) else ():
            if isinstance(slot, MemberDescriptorType) and not name.startswith("__"):
                try:
                    state[name] = slot.__get__(value)
                except AttributeError:
                    continue
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = {}
    return {**state, **held} if type(held) is dict else state


def _contents_of(value: object) -> Iterator[object]:
    """Give what an object holds that is also a text, a number or a container."""
    # by the built-in types' own methods, so that no method of a subclass is called
    if isinstance(value, dict):
        yield list(dict.items(value))
    elif isinstance(value, list | tuple | set | frozenset):
        base = next(one for one in (list, tuple, set, frozenset) if isinstance(value, one))
        items = list(base.__iter__(value))  # type: ignore[arg-type]
        yield frozenset(items) if base in (set, frozenset) else items
    else:
        for plain in (str, int, float, bytes):
            if isinstance(value, plain):
                yield plain.__repr__(value)


@functools.lru_cache(maxsize=64)
def _parse_file(content: bytes) -> ast.Module:
    return ast.parse(content)


def _trees_of(code: CodeType) -> list[ast.AST]:
    """Find the definitions that a code object may come from: several lambdas share a line."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    try:
        module = _parse_file(text.encode())
    except (SyntaxError, ValueError):
        return []
    found: list[ast.AST] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Lambda):
            right = code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            right = node.name == code.co_name and first == code.co_firstlineno
        else:
            continue
        if right:
            found.append(node)
    return found


def _bare(tree: ast.AST, *, top: bool) -> ast.AST:
    """Copy a tree without docstrings, and of the signal itself without decorators and name."""
    import copy

    tree = copy.deepcopy(tree)
    owners = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            node.body[:] = node.body[1:] or [ast.Pass()]
    if top and isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        tree.decorator_list, tree.name = [], "_"
    return tree


def _names_in(trees: Sequence[ast.AST]) -> list[str]:
    """List the names that trees read, each with the attributes taken of it, sorted."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    found = (_dotted(node) for node in nodes if id(node) not in inner)
    return sorted({name for name in found if name is not None})


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _names_of_code(code: CodeType) -> list[str]:
    names = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        names |= set(_names_of_code(constant)) if isinstance(constant, CodeType) else set()
    return sorted(names)


def _texts_of_code(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts_of_code(constant)
