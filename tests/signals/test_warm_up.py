"""Kernels compiled ahead of the runs that would need them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Silent
from siftset.signals import warm_up as kernels
from siftset.signals.kernels import compiled


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
        "from siftset.schemas.progress import Silent\n"
        "from siftset.signals.warm_up import compile_kernels, compiled_kernels\n"
        "compile_kernels(Silent())\n"
        "print(set(compiled_kernels().values()))"
    )
    told = subprocess.run(  # a process of its own: in this one kernels may be loaded already
        [sys.executable, "-c", program],
        env={**os.environ, "SIFTSET_CACHE": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "{True}\n"
