"""Functions that numba compiles once, and that later processes load without numba.

A module whose name ends in _kernel uses these decorators. Kernels fill arrays that they are given
and allocate nothing, so that their machine code calls nothing else: a later process loads that code
alone, which takes a tenth of the time that numba takes to start.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import threading
import warnings
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Final, TypeVar, cast

import polars as pl

from siftset.schemas.cache import cache_folder
from siftset.schemas.errors import first_line
from siftset.signals.kernels.machine_code import (
    Kernel,
    c_arguments,
    compile_for,
    describe_host,
    flatten_arguments,
    kernel_of,
    read_code,
    save_code,
    type_of,
)

Function = TypeVar("Function", bound=Callable[..., object])
Answer = TypeVar("Answer")

_INLINED: Final[set[object]] = set()
_broken: Final = threading.Event()
"""Set once something compiled has failed in this process."""


class KernelWarning(RuntimeWarning):
    """Compiled code cannot be used here, or not be kept; answers are the same, but slower."""


@cache
def has_numba() -> bool:
    """Tell whether functions can be compiled here, without importing numba."""
    return importlib.util.find_spec("numba") is not None


def can_compile() -> bool:
    """Tell whether kernels are worth trying: numba is here, and no kernel has failed yet."""
    return has_numba() and not _broken.is_set()


def try_kernel(call: Callable[[], Answer]) -> Answer | None:
    """Call what uses a kernel; None where that fails, for the plain twin to answer instead.

    numba and llvmlite may change under us, or fail on a machine, in ways that nobody foresees: the
    first failure is warned of, and no kernel is tried again in this process.
    """
    if _broken.is_set():
        return None
    try:
        return call()
    except MemoryError:
        raise
    except Exception as error:
        if not _broken.is_set():
            _broken.set()
            warnings.warn(
                f"compiled kernels cannot be used here ({type(error).__name__}: "
                f"{first_line(error)}); plain Python gives the same answers, more slowly",
                KernelWarning,
                stacklevel=3,
            )
        return None


def compiled_kernel(function: Function) -> Function:
    """Compile a function at its first call, or take it from the cache; it runs without the GIL.

    Its arguments are arrays in C order, numbers, and named tuples of these; it returns nothing.
    """
    kernels: dict[tuple[str, ...], Kernel] = {}
    lock = threading.Lock()

    @wraps(function)
    def call_kernel(*given: object) -> None:
        taken = tuple(flatten_arguments(given))
        types = tuple(map(type_of, taken))
        # Threads of polars may call at the same time: one compiles, the others wait for it.
        if types not in kernels:
            with lock:
                if types not in kernels:
                    kernels[types] = _load_kernel(function, types, given)
        status = kernels[types](*c_arguments(taken))
        assert status == 0, f"kernel {function.__name__} ended with status {status}"

    return cast("Function", call_kernel)


def inlined_kernel(function: Function) -> Function:
    """Compile a function into those that call it."""
    _INLINED.add(function)
    return function


def _load_kernel(
    function: Callable[..., object], types: tuple[str, ...], given: tuple[object, ...]
) -> Kernel:
    folder = _folder()
    if folder is None:
        return kernel_of(compile_for(function, given, _INLINED), types)
    kinds = hashlib.sha256(" ".join(types).encode()).hexdigest()[:16]
    path = folder / _file_name(function.__name__, kinds)
    # Two processes may compile the same kernel at once: each writes a whole file and the later
    # stays.
    code = read_code(path)
    if code is None:
        code = compile_for(function, given, _INLINED)
        save_code(code, path)
    return kernel_of(code, types)


def is_cached(function: str) -> bool:
    """Tell whether a compiled function of that name lies in the cache."""
    folder = _folder()
    return folder is not None and any(folder.glob(_file_name(function, "*")))


def _file_name(function: str, types: str) -> str:
    return f"{function}-{types}.o"


SOURCES: Final = (
    "kernels/arrays.py",
    "kernels/arrow_text.py",
    "kernels/bytes_kernel.py",
    "kernels/compiled.py",
    "kernels/machine_code.py",
    "near_duplicates/kernel.py",
    "near_duplicates/minhash.py",
    "near_duplicates/overlap_kernel.py",
    "sentiment_vader/kernel.py",
    "sentiment_vader/lexicon.py",
    "sentiment_vader/tables.py",
    "sentiment_vader/tokens_kernel.py",
    "static_vectors/kernel.py",
    "words/kernel.py",
)
"""The files whose content machine code is made of, below the room of the signals."""


@cache
def _folder() -> Path | None:
    """The cache of this version of the kernels; None where no cache can be written.

    It is named after the contents of all kernels and of their constants, and after what else their
    machine code depends on.
    """
    home = Path(__file__).parents[1]
    held = [describe_host().encode(), *((home / source).read_bytes() for source in SOURCES)]
    try:
        folder = cache_folder("kernels", hashlib.sha256(b"".join(held)).hexdigest()[:16])
    except OSError:
        return None
    # machine code that somebody else put there would run with the rights of this user
    for place in (folder, folder.parent, folder.parent.parent):
        if others_can_write(place):
            warnings.warn(
                f"compiled code is not kept in {place}, which other users can write to: run  "
                f"chmod go-w '{place}'  and delete what lies in it, or set SIFTSET_CACHE",
                KernelWarning,
                stacklevel=2,
            )
            return None
    return folder


def others_can_write(folder: Path) -> bool:
    """Tell whether another user than this one and root can put files into a folder.

    A group that has the number of its only user, as Linux sets users up, is that user's own.
    """
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in (0, found.st_uid)


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

    def is_reached(self, texts: pl.Series) -> bool:
        """Tell whether the texts met so far and these would have paid for the compiled code."""
        if not can_compile():
            return False
        size = int(texts.str.len_bytes().sum()) if texts.dtype == pl.String else 0
        with self._lock:
            self._met += size
            if self._met < self._load:
                return False
            return self._met >= self._compile or bool(try_kernel(lambda: is_cached(self._function)))
