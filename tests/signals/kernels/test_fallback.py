"""A kernel that cannot be compiled, loaded or called costs time, never a run or an answer."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import siftset
from siftset.signals.kernels.compiled import SOURCES, has_numba, others_can_write

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")
HOME = Path(siftset.__file__).parents[1]

PROGRAM = """
import sys, warnings
import polars as pl
from siftset.signals.kernels.compiled import BreakEven
from siftset.signals.near_duplicates.finder import NearDuplicates, keys_of_bands
from siftset.signals.sentiment_vader.scorer import VaderScorer
from siftset.signals.words.wordset import WordSet

texts = pl.Series(["I love this!", "not good at all", None, "ten words that are asked of "
                   "a text in a row are these", ""] * 3)

def answer(kernel):
    scorer, words = VaderScorer(), WordSet(["good", "love this"])
    for made, name in ((scorer, "compounds"), (words, "find_entries")):
        made._break_even = BreakEven(name, load=0 if kernel else 2**62, compile=0)
    near = NearDuplicates(0.9, use_numba=kernel)
    found = [scorer(texts), words.find_hits(texts), words.count_matches(texts),
             words.count_distinct(texts), words.find_firsts(texts), near.add(texts[:5])]
    if kernel:
        {between}
    return [*found, near.add(texts), keys_of_bands(texts, 0.9, use_numba=kernel)]

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    {before}
    found = answer(True)
assert [str(one.category.__name__) for one in told] == ["KernelWarning"], told
assert "{name}" in str(told[0].message), told[0].message
assert "plain Python gives the same answers" in str(told[0].message)
for one, other in zip(found, answer(False), strict=True):
    assert one.equals(other), (one, other)
"""

BROKEN = {
    "compiling": (
        "import numba.core.codegen as c; [delattr(k, 'get_llvm_str') "
        "for k in (c.CPUCodeLibrary, c.CodeLibrary)]",
        "pass",
        "get_llvm_str",
    ),
    "loading": (
        "from llvmlite import binding; del binding.create_mcjit_compiler",
        "pass",
        "create_mcjit_compiler",
    ),
    "naming the machine": (
        "from llvmlite import binding; del binding.get_host_cpu_features",
        "pass",
        "get_host_cpu_features",
    ),
    "calling after rows were kept": (
        "pass",
        "import siftset.signals.near_duplicates.kernel as k; del k.match_rows",
        "match_rows",
    ),
}


@needs_numba
@pytest.mark.parametrize("stage", BROKEN)
def test_the_plain_twin_answers_with_one_warning(stage: str, tmp_path: Path) -> None:
    before, between, name = BROKEN[stage]
    program = PROGRAM.replace("{before}", before).replace("{between}", between)
    cache = tmp_path if stage != "calling after rows were kept" else None
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    if cache is not None:
        environment["SIFTSET_CACHE"] = str(cache)
    command = [sys.executable, "-c", program.replace("{name}", name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def imported_files(source: Path) -> set[Path]:
    """Give the files of the signals' room that a file imports when it runs."""
    found = set()
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("siftset.signals."):
            found.add(HOME.joinpath(*str(node.module).split(".")[1:]).with_suffix(".py"))
    return found


def test_the_key_of_machine_code_covers_all_that_kernels_are_made_of() -> None:
    room = HOME / "signals"
    waiting = {path for path in room.rglob("*.py") if path.stem.endswith("kernel")}
    assert len(waiting) == 7
    met: set[Path] = set()
    while waiting:
        source = waiting.pop()
        met.add(source)
        waiting |= imported_files(source) - met
    missing = {str(path.relative_to(room)) for path in met} - set(SOURCES)
    assert not missing, f"add to SOURCES in signals/kernels/compiled.py: {sorted(missing)}"
    assert all((room / source).is_file() for source in SOURCES)


@pytest.mark.parametrize(("mode", "unsafe"), [(0o700, False), (0o755, False), (0o707, True)])
def test_who_can_write_to_a_folder(mode: int, unsafe: bool, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    assert others_can_write(tmp_path) is unsafe


def test_a_folder_of_somebody_else_is_theirs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(tmp_path, 12345, 12345)
    assert others_can_write(tmp_path)
    os.chown(tmp_path, 0, 12345)
    tmp_path.chmod(0o775)
    assert others_can_write(tmp_path)


@needs_numba
def test_a_cache_that_others_can_write_to_is_not_used_and_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    program = (
        "import polars as pl, warnings\n"
        "from siftset.signals.kernels.compiled import is_cached\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    assert not is_cached('compounds') and not is_cached('compounds')\n"
        "assert len(told) == 1 and 'chmod go-w' in str(told[0].message), told\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(HOME), "SIFTSET_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
