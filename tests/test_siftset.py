from __future__ import annotations

import subprocess
import sys

import pytest

import siftset


def test_the_public_names_are_sorted_and_known():
    assert sorted(siftset.__all__) == siftset.__all__
    assert set(siftset.__all__) <= set(dir(siftset))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = siftset.nothing


def test_importing_it_loads_nothing_heavy():
    code = "import sys, siftset; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"polars", "pydantic", "torch", "numba", "nltk", "great_expectations"}


def test_signals_combine_from_the_public_page():
    @siftset.signal
    def shouting(text: str) -> bool:
        return text.isupper()

    question = siftset.keyword("nike") & ~shouting & (siftset.length() >= 4)
    assert question("I like my Nike shoes") is True
    assert question("NIKE") is False
    assert question.formula.text == "nike & ~shouting & (" + siftset.length().name + " >= 4)"
