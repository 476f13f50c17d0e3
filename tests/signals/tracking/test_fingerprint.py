from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path

import pytest

from siftset.signals.tracking.fingerprint import fingerprint

BASE = '''
import re
import helper
from helper import limit
from pathlib import Path

PATTERN = re.compile("a+")
WORDS = {"x", "y"}


class Counter:
    """Counts."""

    def count(self, text):
        return len(text)


def short(text):
    """Says whether a text is short."""
    return len(text) < limit(text)


def question(text: str, *, least: int = 2) -> bool:
    """Asks."""
    found = Counter().count(text) > least  # a comment
    return found and short(text) and bool(PATTERN.search(text)) and helper.other(text) in WORDS
'''
HELPER = '''
def limit(text):
    """The limit."""
    return deep() + 1

def deep():
    return 10

def other(text):
    return text

def unused():
    return 1
'''


def _print(folder: Path, text: str, helper: str = HELPER) -> str:
    import sys

    (folder / "mine.py").write_text(text, "utf-8")
    (folder / "helper.py").write_text(helper, "utf-8")
    sys.modules.pop("helper", None)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        spec = importlib.util.spec_from_file_location("_mine", folder / "mine.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["_mine"] = module
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        spec.loader.exec_module(module)
        return fingerprint(module.question)
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(str(folder))
        sys.modules.pop("helper", None)
        sys.modules.pop("_mine", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Asks.", "Asks something else, at length."),
        ("  # a comment", ""),
        ("Counts.", "Counts letters."),
        ("Says whether", "Tells whether"),
        ("least  # a comment\n    return found", "(\n        least)\n    return found"),
        ('"a+"', "'a+'"),
        ('{"x", "y"}', '{"y", "x"}'),
    ],
)
def test_layout_and_docstrings_do_not_count(tmp_path, old, new):
    assert old in BASE
    assert _print(tmp_path, BASE.replace(old, new)) == _print(tmp_path, BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> least", ">= least"),
        ("least: int = 2", "least: int = 3"),
        ("len(text) <", "len(text) <="),
        ("return len(text)\n", "return len(text) + 1\n"),
        ('"a+"', '"b+"'),
        ('{"x", "y"}', '{"x", "z"}'),
        ("helper.other", "helper.limit"),
    ],
)
def test_what_it_does_counts(tmp_path, old, new):
    assert old in BASE
    assert _print(tmp_path, BASE.replace(old, new)) != _print(tmp_path, BASE)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("deep() + 1", "deep() + 2", False),
        ("return 10", "return 11", False),
        ("return text", "return text.lower()", False),
        ("The limit.", "A limit.", True),
        ("return 1\n", "return 2\n", True),
    ],
)
def test_helpers_of_another_file_count_where_they_are_reached(tmp_path, old, new, same):
    assert old in HELPER
    changed = _print(tmp_path, BASE, HELPER.replace(old, new, 1) if old != "return 1\n" else
                     HELPER[: HELPER.rindex(old)] + new)  # fmt: skip
    assert (changed == _print(tmp_path, BASE)) is same


def test_closures_and_lambdas_count():
    def made(limit):
        return lambda text: len(text) > limit

    assert fingerprint(made(1)) == fingerprint(made(1))
    assert fingerprint(made(1)) != fingerprint(made(2))


def test_recursion_ends():
    def even(number):
        return number == 0 or odd(number - 1)

    def odd(number):
        return number != 0 and even(number - 1)

    assert fingerprint(even) == fingerprint(even)
    assert len(fingerprint(even)) == 32


def test_functions_without_source():
    scope: dict[str, object] = {}
    exec(textwrap.dedent("def f(x):\n    return x + 1\ndef g(x):\n    return x + 2"), scope)
    assert fingerprint(scope["f"]) != fingerprint(scope["g"])
