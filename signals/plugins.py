"""Signals from elsewhere: a user's Python file, or an installed package's entry point.

A file is loaded by its path under a private module name, so that a user's folder may hold files
called signals.py, data/__init__.py or pipeline.py without shadowing ours. While it is loaded, its
own folder stands last on the import path, so that it can import helpers that lie beside it.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from siftset.schemas.errors import SignalError, as_exception, describe_error
from siftset.signals.definition import Bound
from siftset.signals.family import Family
from siftset.signals.signal import Signal
from siftset.signals.tracking.files import READ_AT_LOAD, hash_files, watch_opened_files

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
    return {name: value for name, value in found.items() if issubclass(type(value), Signal)}


def load_file(path: Path) -> ModuleType:
    """Run a user's file, again only where it or a helper beside it has changed.

    Raises SignalError in one line where the file cannot run.
    """
    path = path.resolve()
    with _lock:
        known = _loaded.get(path)
        if known is None or not known.is_current():
            known = _loaded[path] = _run_file(path)
        return known.module


@dataclass(frozen=True, slots=True)
class _File:
    """A user's file as it was loaded, and the content hashes of all that it is made of."""

    module: ModuleType
    sources: dict[Path, str]
    variables: dict[str, str | None]

    def is_current(self) -> bool:
        """Tell whether all that the file is made of is as it was."""
        variables = {name: os.environ.get(name) for name in self.variables}
        return self.sources == hash_files(self.sources) and self.variables == variables


_loaded: dict[Path, _File] = {}


def _run_file(path: Path) -> _File:
    content = hash_files([path])
    name = PRIVATE + hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    source = path.read_bytes()
    with _helpers_beside(path) as helpers:
        try:
            with watch_opened_files() as read:
                # the file's own `from __future__` lines count, not those of this one
                exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
            READ_AT_LOAD[str(path)] = tuple(read)
            files, variables = [*helpers, *read], list[str]()
            # the fingerprints are taken while the helpers can be found
            for found in vars(module).values():
                if issubclass(type(found), Signal):
                    _ = found.fingerprint
                    bound = found.function
                    if isinstance(bound, Bound):
                        files += [*bound.resource_files(), *bound.trace.files]
                        variables += bound.trace.variables
        except BaseException as error:
            del sys.modules[name]
            raise SignalError(_explain_failure(path.name, error)) from error
    kept = {name: os.environ.get(name) for name in variables}
    return _File(module, {**content, **hash_files([*files, *helpers])}, kept)


def _explain_failure(source: str, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"'{source}' ends the process while it is loaded: take out sys.exit()"
    error = as_exception(error)
    line = f" on line {error.lineno}" if isinstance(error, SyntaxError) else ""
    if isinstance(error, ModuleNotFoundError):
        return f"'{source}' imports '{error.name}', which is not installed: install it first"
    return f"'{source}' cannot be loaded{line}: {describe_error(error)}"


@contextmanager
def _helpers_beside(path: Path) -> Iterator[list[Path]]:
    """Let a file import helpers of its folder; afterwards list them and forget their names.

    Names are forgotten so that another folder's helper of the same name is not mistaken for them.
    """
    folder, before, helpers = str(path.parent), set(sys.modules), list[Path]()
    sys.path.append(folder)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield helpers
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = written
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and not name.startswith(PRIVATE) and Path(file).is_relative_to(folder):
                helpers.append(Path(file))
                del sys.modules[name]


def entry_points() -> dict[str, tuple[metadata.EntryPoint, ...]]:
    """Find the kinds that installed packages offer, without loading them."""
    found: dict[str, tuple[metadata.EntryPoint, ...]] = {}
    for point in _cached_entry_points(metadata.entry_points):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


@cache
def _cached_entry_points(find: Callable[..., metadata.EntryPoints]) -> metadata.EntryPoints:
    """Look through the installed packages, once in a process."""
    return find(group=GROUP)


def load_entry(
    kind: str, points: tuple[metadata.EntryPoint, ...], *, reserved: Collection[str]
) -> Family | Signal:
    """Load a kind from an entry point; a name that two sources claim is an error naming both."""
    named = [(point.dist.name if point.dist else "an unknown package", point) for point in points]
    claims = [f"{package} ({point.value})" for package, point in named]
    if kind in reserved:
        claims.insert(0, "siftset itself")
    if len(claims) > 1:
        raise SignalError(
            f"two sources claim the kind '{kind}': {' and '.join(claims)}; remove one of them"
        )
    try:
        found = points[0].load()
    except BaseException as error:
        raise SignalError(_explain_failure(claims[0], error)) from error
    if not isinstance(found, Family | Signal):
        raise SignalError(
            f"{claims[0]} gives a {type(found).__name__}, expected a Family or Signal"
        )
    return found
