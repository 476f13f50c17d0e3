"""Kernels compiled ahead of the runs that would need them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from schemas.errors import MissingExtraError
from schemas.progress import Silent
from signals import compiled, kernels


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "_folder", lambda: tmp_path)
    return tmp_path


def test_nothing_is_compiled_in_an_empty_cache(empty_cache):
    assert set(kernels.compiled_kernels().values()) == {False}


def test_without_numba_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(kernels, "has_numba", lambda: False)
    with pytest.raises(MissingExtraError, match=r"siftset\[fast\]"):
        kernels.compile_kernels(Silent())
    assert set(kernels.compiled_kernels().values()) == {False}


@pytest.mark.slow
def test_all_kernels_lie_in_the_cache_once_they_are_compiled(tmp_path):
    pytest.importorskip("numba")
    program = (
        "from schemas.progress import Silent\n"
        "from signals.kernels import compile_kernels, compiled_kernels\n"
        "compile_kernels(Silent())\n"
        "print(set(compiled_kernels().values()))"
    )
    told = subprocess.run(  # a process of its own: in this one kernels may be loaded already
        [sys.executable, "-c", program],
        env={**os.environ, "SIFTSET_CACHE": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "{True}\n"
