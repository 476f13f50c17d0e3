"""Kernels: compiled once, then loaded without numba."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import siftset
from siftset.signals.kernels.compiled import compiled_kernel, has_numba, inlined_kernel
from siftset.signals.kernels.machine_code import Code, read_code, save_code

pytestmark = pytest.mark.skipif(not has_numba(), reason="numba is not installed")


class Room(NamedTuple):
    values: NDArray[np.float64]
    signs: NDArray[np.int32]


@inlined_kernel
def _scaled(value: float, sign: int, twice: bool) -> float:
    return value * sign * (2 if twice else 1)


@compiled_kernel
def scale(room: Room, twice: bool, added: float, start: int) -> None:
    """Scale the values from a place on."""
    for i in range(start, len(room.values)):
        room.values[i] = _scaled(room.values[i], room.signs[i], twice) + added


def room(count: int = 4) -> Room:
    return Room(np.arange(count, dtype=np.float64), np.full(count, -1, np.int32))


def test_arrays_numbers_and_tuples_reach_the_machine_code() -> None:
    given = room()
    scale(given, True, 0.5, 1)
    assert given.values.tolist() == [0.0, -1.5, -3.5, -5.5]
    scale(given, False, np.float64(0), 3)  # numpy's is a float of Python too
    assert given.values.tolist() == [0.0, -1.5, -3.5, 5.5]


def test_what_a_kernel_cannot_take_is_refused() -> None:
    with pytest.raises(TypeError, match="C order"):
        scale(Room(np.arange(8.0)[::2], np.ones(4, np.int32)), True, 0.0, 0)
    with pytest.raises(TypeError, match="not str"):
        scale("text", True, 0.0, 0)  # type: ignore[arg-type]


PROGRAM = """
import sys
import polars as pl
from siftset.signals.sentiment_vader.scorer import VaderScorer
scorer, texts = VaderScorer(), pl.Series(["I love this!", "not good at all", None])
assert scorer.score_compiled(texts).equals(scorer.score_plain(texts))
print("numba" in sys.modules)
"""


def numba_was_needed(cache: Path) -> bool:
    home = str(Path(siftset.__file__).parents[1])
    environment = {**os.environ, "SIFTSET_CACHE": str(cache), "PYTHONPATH": home}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == "True"


def test_a_second_process_needs_no_numba_and_a_broken_file_is_made_again(tmp_path: Path) -> None:
    assert numba_was_needed(tmp_path)
    assert not numba_was_needed(tmp_path)
    (kernel,) = tmp_path.rglob("compounds-*.o")
    kernel.write_bytes(kernel.read_bytes()[:-100])
    assert numba_was_needed(tmp_path)
    assert read_code(kernel) is not None


def test_code_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f-1.o"
    assert read_code(path) is None
    save_code(Code("symbol", b"bytes\nmore"), path)
    assert read_code(path) == Code("symbol", b"bytes\nmore")
    save_code(Code("symbol", b""), tmp_path / "no folder" / "f-1.o")
    path.write_bytes(path.read_bytes()[:-1])
    assert read_code(path) is None
