"""Signals from elsewhere: a user's Python file, or an installed package's entry point.

A file is loaded by its path under a private module name, so that a user's folder may hold files
called signals.py, data/__init__.py or pipeline.py without shadowing ours. While it is loaded, its
own folder stands last on the import path, so that it can import helpers that lie beside it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from schemas.errors import SignalError
from signals.family import Family
from signals.signal import Signal, first_line

GROUP = "siftset.signals"
PRIVATE = "_siftset_user_"

_lock = threading.RLock()


def load_signal(target: str, *, folder: Path, signal: str) -> Signal:
    """Load the signal that `file.py:name` names, relative to `folder`."""
    file, separator, name = target.rpartition(":")
    if not separator or not file.endswith(".py") or not name.isidentifier():
        raise SignalError(
            f"signal '{signal}': expected  python: file.py:function, found '{target}'"
        )
    path = (folder / file).resolve()
    if not path.is_file():
        raise SignalError(f"signal '{signal}': there is no file '{file}' in {folder}")
    found = getattr(load_file(path), name, None)
    if found is None:
        known = ", ".join(signals_in(path)) or "none"
        raise SignalError(f"signal '{signal}': '{file}' has no '{name}'; signals there: {known}")
    if not isinstance(found, Signal):
        raise SignalError(
            f"signal '{signal}': '{name}' in '{file}' is a {type(found).__name__}, no signal; "
            "write @signal above the function"
        )
    return found


def signals_in(path: Path) -> dict[str, Signal]:
    """Find the signals that a file defines, by the names of its variables."""
    found = vars(load_file(path))
    return {name: value for name, value in found.items() if isinstance(value, Signal)}


def load_file(path: Path) -> ModuleType:
    """Run a user's file once per content; raise SignalError in one line where it cannot run."""
    content = path.read_bytes()
    key = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()[:16]
    with _lock:
        return _load(path, PRIVATE + key)


@cache
def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SignalError(f"'{path.name}' is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _helpers_beside(path):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SignalError(_cannot(path.name, error)) from error
    return module


def _cannot(source: str, error: Exception) -> str:
    line = f" on line {error.lineno}" if isinstance(error, SyntaxError) else ""
    if isinstance(error, ModuleNotFoundError):
        return f"'{source}' imports '{error.name}', which is not installed: install it first"
    return f"'{source}' cannot be loaded{line}: {type(error).__name__}: {first_line(error)}"


@contextmanager
def _helpers_beside(path: Path) -> Iterator[None]:
    folder = str(path.parent)
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)


def entry_points() -> dict[str, tuple[metadata.EntryPoint, ...]]:
    """Find the kinds that installed packages offer, without loading them."""
    found: dict[str, tuple[metadata.EntryPoint, ...]] = {}
    for point in metadata.entry_points(group=GROUP):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def load_entry(
    kind: str, points: tuple[metadata.EntryPoint, ...], *, reserved: Collection[str]
) -> Family | Signal:
    """Load a kind from an entry point; a name that two sources claim is an error naming both."""
    claims = [_source(point) for point in points]
    if kind in reserved:
        claims.insert(0, "siftset itself")
    if len(claims) > 1:
        raise SignalError(
            f"two sources claim the kind '{kind}': {' and '.join(claims)}; remove one of them"
        )
    try:
        found = points[0].load()
    except Exception as error:
        raise SignalError(_cannot(claims[0], error)) from error
    if not isinstance(found, Family | Signal):
        raise SignalError(
            f"{claims[0]} gives a {type(found).__name__}, expected a Family or Signal"
        )
    return found


def _source(point: metadata.EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an unknown package"
    return f"{package} ({point.value})"
