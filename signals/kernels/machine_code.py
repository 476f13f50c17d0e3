"""Machine code of kernels: made by numba, kept as an object file, called through ctypes.

A kernel's arguments are laid out as numba lays them out: an array is (memory info, parent, items,
item size, data, shape, strides), a named tuple the items of its members, one after the other.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

Leaf = np.ndarray[Any, Any] | bool | int | float
Kernel = Callable[..., int]

_LOADED: Final[list[object]] = []
"""Engines own the memory that kernels lie in."""
_ROOM: Final = ctypes.c_void_p()
_ANSWER: Final = ctypes.addressof(_ROOM)
"""Where every kernel leaves its answer, which is None."""


class Code(NamedTuple):
    """A compiled function: the name of its symbol in an object file, and that file."""

    symbol: str
    machine: bytes


def flatten_arguments(given: object) -> Iterator[Leaf]:
    """Yield the arrays and numbers of nested tuples, in order."""
    if isinstance(given, tuple):
        for one in given:
            yield from flatten_arguments(one)
    elif isinstance(given, np.ndarray | bool | int | float):
        yield given
    else:
        raise TypeError(f"a kernel takes arrays and numbers, not {type(given).__name__}")


def type_of(leaf: Leaf) -> str:
    """Name the type that machine code is made for; raise TypeError for an array in other order."""
    if isinstance(leaf, np.ndarray):
        if not (leaf.flags.c_contiguous and leaf.flags.aligned):
            raise TypeError("a kernel takes arrays in C order")
        return f"{leaf.dtype.str}{leaf.ndim}"
    return next(kind.__name__ for kind in (bool, int, float) if isinstance(leaf, kind))


def c_arguments(given: tuple[Leaf, ...]) -> Iterator[float | None]:
    """Yield what machine code is called with: first where to leave an answer and an error."""
    # numba's calling convention: the address of the return value, that of the exception, arguments.
    yield from (_ANSWER, _ANSWER)
    for leaf in given:
        if isinstance(leaf, np.ndarray):
            yield from (None, None, leaf.size, leaf.itemsize, leaf.ctypes.data)
            yield from leaf.shape
            yield from leaf.strides
        else:
            yield leaf


def compile_for(
    function: Callable[..., object], given: tuple[object, ...], inline: AbstractSet[object]
) -> Code:
    """Have numba compile a function for arguments like these; calls of `inline` become a part."""
    import numba
    from llvmlite import binding as llvm

    dispatcher = _compilable_twin(function, inline, {}, nogil=True, no_cpython_wrapper=True)
    dispatcher.compile(tuple(map(numba.typeof, given)))
    (result,) = dispatcher.overloads.values()
    # numba's own object would refer to its runtime; made again from the IR it refers to nothing.
    module = llvm.parse_assembly(result.library.get_llvm_str())
    return Code(result.fndesc.llvm_func_name, _target_machine().emit_object(module))


def _compilable_twin(
    function: Any,  # noqa: ANN401  a function with its globals
    inline: AbstractSet[object],
    made: dict[object, Any],
    **options: bool,
) -> Any:  # noqa: ANN401  numba's dispatchers
    """Return a twin of a function whose calls of `inline` are calls of compilable twins."""
    import numba

    if function not in made:
        scope, names = function.__globals__, function.__code__.co_names
        known = {name: scope[name] for name in names if isinstance(scope.get(name), FunctionType)}
        twins = {
            name: _compilable_twin(one, inline, made, forceinline=True)
            for name, one in known.items()
            if one in inline
        }
        twin = FunctionType(function.__code__, {**scope, **twins}, function.__name__)
        make: Any = numba.njit
        # without counting references, which costs half of the time where arrays are bundled
        made[function] = make(_nrt=False, no_cfunc_wrapper=True, **options)(twin)
    return made[function]


def kernel_of(code: Code, types: tuple[str, ...]) -> Kernel:
    """Load machine code as a function that runs without the GIL and returns 0."""
    from llvmlite import binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.machine))
    engine.finalize_object()
    # Were the engine collected, its memory would be unmapped under the function.
    _LOADED.append(engine)
    returned = (ctypes.c_void_p, ctypes.c_void_p)
    taken = [one for name in types for one in _c_types(name)]
    made = ctypes.CFUNCTYPE(ctypes.c_int32, *returned, *taken)
    kernel: Kernel = made(engine.get_function_address(code.symbol))
    return kernel


def _c_types(name: str) -> Iterator[Any]:
    plain = {"bool": ctypes.c_int8, "int": ctypes.c_int64, "float": ctypes.c_double}
    if name in plain:
        yield plain[name]
        return
    yield from (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    yield from (ctypes.c_int64,) * (2 * int(name[-1]))


@cache
def _target_machine() -> Any:  # noqa: ANN401  llvmlite has no types
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True
    )


@cache
def describe_host() -> str:
    """Name what machine code depends on besides its source: this processor and the compilers."""
    from llvmlite import binding as llvm

    versions = [importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy")]
    features = llvm.get_host_cpu_features().flatten()
    python = ".".join(map(str, sys.version_info[:2]))
    return " ".join([*versions, python, llvm.get_host_cpu_name(), features])


def save_code(code: Code, path: Path) -> None:
    """Keep code for later processes, whole or not at all."""
    held = code.symbol.encode() + b"\n" + code.machine
    draft = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        draft.write_bytes(hashlib.sha256(held).digest() + held)
        draft.replace(path)


def read_code(path: Path) -> Code | None:
    """Return kept code; None where there is none, or where its bytes are not those written."""
    try:
        read = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(read[32:]).digest() != read[:32]:
        return None
    symbol, _, machine = read[32:].partition(b"\n")
    return Code(symbol.decode(), machine)
