"""What people read uses the field's words: pages, help, messages and docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = {
    r"mend(s|ed|ing)?(?!ed\.parquet)": "fix",
    r"dear(er|est)?": "expensive",
    r"loopback": "localhost",
    r"lay(s|ing)? (a |the )?(plan|preview)": "write a plan, write preview/",
    r"held out (file|files|row|rows|text|texts)": "held-out",
    r"near copies|nearly equal (rows|texts)": "near duplicates",
    r"says? much the same|say alike": "correlated",
    r"figures? \S+ \S+ flatter": "is too optimistic",
    r"the ablation's arms": "the models of the ablation",
}
"""A pattern for words that this project does not use, and what it says instead."""
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "mkdocs.yml", "data/**/*.yaml", "data/**/*.json")
    for path in ROOT.glob(pattern)
    if path.name != "messages.md"  # whose words are those of the code
)
CODE = sorted(
    path
    for room in ("pipeline", "schemas", "signals", "trainer")
    for path in ROOT.glob(f"{room}/**/*.py")
)
FORBIDDEN = re.compile("|".join(rf"\b(?:{one})\b" for one in WORDS), re.IGNORECASE)
KEPT_NAMES = re.compile(r"mended\.parquet|MENDED|--mended|CurateOptions\.mended")
"""Names on users' disks, which stay, and former names that the changelog tells."""


def find_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings and docstrings of a Python file that have several words, by line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for number, line in enumerate(node.value.splitlines()):
                yield node.lineno + number, line


def find_words(lines: Iterator[tuple[int, str]]) -> list[str]:
    found = []
    for number, line in lines:
        if word := FORBIDDEN.search(KEPT_NAMES.sub("", line)):
            found.append(f"line {number}: {word[0]!r} in {line.strip()[:100]!r}")
    return found


def test_pages_use_the_words_of_the_field():
    found = {
        str(path.relative_to(ROOT)): words
        for path in PAGES
        if (words := find_words(enumerate(path.read_text("utf-8").splitlines(), 1)))
    }
    assert not found, found


def test_messages_and_docstrings_use_the_words_of_the_field():
    found = {
        str(path.relative_to(ROOT)): words
        for path in CODE
        if (words := find_words(find_texts(path)))
    }
    assert not found, found


@pytest.mark.parametrize(
    "line",
    ["mend the source", "a dearer signal", "lays preview/", "a held out file"],
)
def test_an_old_word_is_found(line: str):
    assert find_words(iter([(1, line)]))


def test_the_glossary_names_each_term_once_in_order():
    page = (ROOT / "docs/glossary.md").read_text("utf-8")
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", page, re.MULTILINE)
    assert len(terms) > 30
    assert terms == sorted(set(terms), key=str.casefold)
