"""The fingerprint of a function: it changes with what the function does, not with its layout.

It covers the syntax tree without docstrings, comments and format; defaults, closures and global
constants; and, in the same way, each helper and class that is reached and lies in the same file or
folder. Installed packages count by name only: their versions belong to the key of a run.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import linecache
import pickle
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType

from siftset.signals.formula.tree import digest

_PLAIN = (str, bytes, int, float, complex, bool, type(None), range, Path)


def fingerprint(function: Callable[..., object]) -> str:
    """Hash a function and all that it reaches to 32 hex digits."""
    if isinstance(function, FunctionType):
        linecache.checkcache(function.__code__.co_filename)
    return _Walk(_home(function)).function(function, top=True)


def file_fingerprint(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:32]


def _home(function: object) -> Path | None:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_filename.startswith("<"):
        return None
    return Path(code.co_filename).resolve().parent


class _Walk:
    """One walk over a function and its helpers; each is visited once."""

    def __init__(self, home: Path | None) -> None:
        self.home = home
        self.seen: dict[int, str] = {}
        self.kept: list[object] = []

    def function(self, function: object, *, top: bool = False) -> str:
        function = inspect.unwrap(function) if callable(function) else function
        if isinstance(function, MethodType):
            return digest(self.function(function.__func__), self.value(function.__self__))
        if not isinstance(function, FunctionType):
            return self.value(function)
        tree = _tree(function)
        if tree is None:
            own = digest(*_code(function.__code__))
            names = _code_names(function.__code__)
        else:
            own = ast.dump(_bare(tree, top=top))
            names = _names(tree)
        scope = _scope(function)
        parts = [own, self.value(function.__defaults__), self.value(function.__kwdefaults__)]
        parts += [f"{name}={self.reached(name, scope)}" for name in names if _root(name) in scope]
        return digest(*parts)

    def reached(self, dotted: str, scope: Mapping[str, object]) -> str:
        """Hash what a dotted name stands for, as far as it can be followed."""
        name, *attributes = dotted.split(".")
        found = scope[name]
        while attributes and isinstance(found, ModuleType):
            if not hasattr(found, attributes[0]):
                break
            found = getattr(found, attributes.pop(0))
        return self.value(found)

    def value(self, value: object) -> str:
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__}:{value!r}"
        key = id(value)
        if key not in self.seen:
            self.seen[key] = "again"
            self.kept.append(value)
            self.seen[key] = self._value(value)
        return self.seen[key]

    def _value(self, value: object) -> str:
        if isinstance(value, re.Pattern):
            return digest("pattern", repr(value.pattern), str(value.flags))
        if isinstance(value, tuple | list):
            return digest(type(value).__name__, *(self.value(item) for item in value))
        if isinstance(value, set | frozenset):
            return digest("set", *sorted(self.value(item) for item in value))
        if isinstance(value, dict):
            return digest("dict", *(self.value(part) for pair in value.items() for part in pair))
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, type):
            return self._type(value)
        if isinstance(value, FunctionType | MethodType) or hasattr(value, "__wrapped__"):
            return self.function(value) if self._near(value) else _label(value)
        return self._instance(value)

    def _module(self, module: ModuleType) -> str:
        file = getattr(module, "__file__", None)
        if file is None or not self._inside(file):
            return f"module:{module.__name__}"
        return ast.dump(_bare(ast.parse(Path(file).read_text("utf-8")), top=False))

    def _type(self, cls: type) -> str:
        if not self._near(cls):
            return _label(cls)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, TypeError, SyntaxError):
            return _label(cls)
        scope = vars(sys.modules.get(cls.__module__, builtins))
        names = [name for name in _names(tree) if _root(name) in scope]
        parts = [f"{name}={self.reached(name, scope)}" for name in names]
        return digest(ast.dump(_bare(tree, top=False)), *parts)

    def _instance(self, value: object) -> str:
        identity = getattr(value, "fingerprint", None) or getattr(value, "identity", None)
        if isinstance(identity, str):
            return identity
        state = getattr(value, "__dict__", None)
        if self._near(type(value)) and isinstance(state, dict):
            return digest(self.value(type(value)), self.value(state))
        try:
            return digest(_label(type(value)), hashlib.sha256(pickle.dumps(value)).hexdigest())
        except Exception:
            return _label(type(value))

    def _near(self, value: object) -> bool:
        """Say whether it is defined in the same folder as the function we began with."""
        value = inspect.unwrap(value) if callable(value) else value
        code = getattr(value, "__code__", None)
        if isinstance(code, CodeType):
            return code.co_filename.startswith("<") or self._inside(code.co_filename)
        module = sys.modules.get(getattr(value, "__module__", ""), None)
        file = getattr(module, "__file__", None)
        return file is not None and self._inside(file)

    def _inside(self, file: str) -> bool:
        path = Path(file).resolve()
        if "site-packages" in path.parts or self.home is None:
            return False
        return path.is_relative_to(self.home)


def _label(value: object) -> str:
    module = getattr(value, "__module__", "?")
    return f"{module}.{getattr(value, '__qualname__', type(value).__name__)}"


def _tree(function: FunctionType) -> ast.AST | None:
    if function.__name__ == "<lambda>":
        return None
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def _bare(tree: ast.AST, *, top: bool) -> ast.AST:
    """Drop docstrings, and from the signal itself its decorators and its name."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(node, body[0]):
            body[:] = body[1:] or [ast.Pass()]
    first = tree.body[0] if isinstance(tree, ast.Module) and tree.body else None
    if top and isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef):
        first.decorator_list, first.name = [], "_"
    return tree


def _is_docstring(owner: ast.AST, first: ast.stmt) -> bool:
    owners = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    if not isinstance(owner, owners) or not isinstance(first, ast.Expr):
        return False
    return isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _names(tree: ast.AST) -> list[str]:
    """List the names that a tree reads, each with the attributes taken of it, sorted."""
    nodes = list(ast.walk(tree))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    found = (_dotted(node) for node in nodes if id(node) not in inner)
    return sorted({name for name in found if name is not None})


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _root(dotted: str) -> str:
    return dotted.partition(".")[0]


def _scope(function: FunctionType) -> dict[str, object]:
    """The names that a function can reach: globals, then what it closes over."""
    scope = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            continue
    return scope


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield " ".join((*code.co_names, *code.co_varnames))
    for constant in code.co_consts:
        yield digest(*_code(constant)) if isinstance(constant, CodeType) else repr(constant)


def _code_names(code: CodeType) -> list[str]:
    nested = [
        name for part in code.co_consts if isinstance(part, CodeType) for name in _code_names(part)
    ]
    return sorted({*code.co_names, *code.co_freevars, *nested})
