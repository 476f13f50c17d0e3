"""Whose code it is: the user's own, of which the text counts, or a package's, with its version."""

from __future__ import annotations

import functools
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import FunctionType

_HOME = Path(__file__).resolve().parents[2]
_FOREIGN = (
    *(_HOME / room for room in ("schemas", "signals", "trainer", "pipeline", "data")),
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")),
)


def is_kind(value: object, *kinds: type) -> bool:
    """Tell the kind of an object without asking it: `isinstance` reads its __class__."""
    return issubclass(type(value), kinds)


@functools.cache
def is_own(file: str) -> bool:
    """Tell whether a file is the user's own code: neither installed nor Python's nor ours."""
    if file.startswith("<"):
        return not file.startswith("<frozen")
    path = Path(file).resolve()
    if not {"site-packages", "dist-packages"}.isdisjoint(path.parts):
        return False
    return not any(path.is_relative_to(place) for place in _FOREIGN)


def package_label(value: object) -> str:
    """Name the module and place of a class or function, and the version of its package."""
    state = vars(value) if is_kind(value, type) else {}
    module = state.get("__module__") or getattr(value, "__module__", None) or "builtins"
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{module}.{name} {version_of(str(module).partition('.')[0])}"


@functools.cache
def version_of(package: str) -> str:
    """Give the version of what is imported under a name; empty for Python's own modules."""
    if package in sys.stdlib_module_names:
        return ""
    found = vars(sys.modules[package]).get("__version__") if package in sys.modules else None
    try:
        return str(found) if is_kind(found, str) else metadata.version(package)
    except metadata.PackageNotFoundError:
        # what is imported as yaml is installed as PyYAML; several may share a namespace
        names = sorted(set(metadata.packages_distributions().get(package, ())))
        return " ".join(f"{name} {metadata.version(name)}" for name in names)


def file_of(module: Mapping[str, object]) -> str:
    """Give the file of a module, or the folder of a package without one, by its names."""
    places: Sequence[str] = [*module.get("__path__", ())]  # type: ignore[misc]
    return str(module.get("__file__") or (places[0] if places else "<frozen>"))


def is_own_type(cls: type) -> bool:
    """Tell whether a class is the user's own code."""
    methods = (one for one in vars(cls).values() if isinstance(one, FunctionType))
    code = next((one.__code__.co_filename for one in methods), "<frozen>")
    module = sys.modules.get(cls.__module__)
    return is_own(code if module is None else file_of(vars(module)))
