"""Functions that numba compiles, kept in siftset's own cache folder between processes.

A module whose name ends in _kernel uses these decorators and is imported only where numba is.
Kernels fill arrays that they are given and allocate none, so that numba need not count references:
counting costs half of the time where arrays are bundled in tuples.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar, cast

import polars as pl

from schemas.cache import cache_folder

Function = TypeVar("Function", bound=Callable[..., object])


class _Config(Protocol):
    """The part of numba's settings that is used."""

    CACHE_DIR: str


@cache
def has_numba() -> bool:
    """Tell whether functions can be compiled here, without importing numba."""
    return importlib.util.find_spec("numba") is not None


def compiled(function: Function) -> Function:
    """Compile a function at its first call, or take it from the cache; it runs without the GIL."""
    import numba

    folder = _folder()
    config = cast("_Config", numba.config)
    before = config.CACHE_DIR
    if folder is not None:
        config.CACHE_DIR = str(folder)  # read while decorating: other code's caches stay put
    try:
        return _jit(function, nogil=True, cache=folder is not None)
    finally:
        config.CACHE_DIR = before


def inlined(function: Function) -> Function:
    """Compile a function into those that call it."""
    return _jit(function, forceinline=True)


def _jit(function: Function, **options: bool) -> Function:
    """Let numba compile a function, without counting references."""
    import numba

    make = cast("Callable[..., Callable[[Function], Function]]", numba.njit)
    return make(_nrt=False, **options)(function)


def is_cached(function: str) -> bool:
    """Tell whether a compiled function of that name lies in the cache."""
    folder = _folder()
    return folder is not None and any(folder.rglob(f"*.{function}-*.nbi"))


@cache
def _folder() -> Path | None:
    """The cache of this version of the kernels; None where no cache can be written.

    numba looks at the file of the outer function only, so that a change in a shared helper would go
    unseen: the folder is named after the contents of all kernels and of their constants.
    """
    here = Path(__file__).parent
    sources = sorted([*here.glob("*_kernel.py"), *here.glob("vader_*.py")])
    name = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    try:
        return cache_folder("numba", name)
    except OSError:
        return None


class BreakEven:
    """Tells when compiled code pays: it counts the bytes of text met, and may be shared by threads.

    `load` is the size at which to fetch the function from the cache, `compile` that at which to
    compile it, which later runs profit from too.
    """

    def __init__(self, function: str, *, load: int, compile: int) -> None:
        self._function = function
        self._load = load
        self._compile = compile
        self._met = 0
        self._lock = threading.Lock()

    def reached(self, texts: pl.Series) -> bool:
        """Tell whether the texts met so far and these would have paid for the compiled code."""
        if not has_numba():
            return False
        size = int(texts.str.len_bytes().sum()) if texts.dtype == pl.String else 0
        with self._lock:
            self._met += size
            if self._met < self._load:
                return False
            return self._met >= self._compile or is_cached(self._function)
