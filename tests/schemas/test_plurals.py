"""Counts agree with their nouns, and every text that counts something says so by one function."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from siftset.schemas.plurals import conjugate, form_plural, format_count

ROOT = Path(__file__).parents[2]
ROOMS = ("pipeline", "signals", "trainer", "schemas")
NOUNS = """answers batches blocks bytes characters checks classes columns conversations decisions
    documents faults files findings folds groups keys labels lines models names pairs plans prompts
    questions records rows runs sentences shards signals steps texts tokens values versions votes
    words""".split()
# A place of an f-string that holds a number, then a noun, or an adjective and a noun. Constants of
# ours, in capitals, are never 1.
PLACE = r"\{(?![A-Z_]+[:}])(?!_[A-Z])(?:[^{}]+:,(?:\.0f)?|[^{}]+:\.0f|len\([^{}]*\))\}"
LINKED = r"(?!(?:of|in|and|on|to|from|with|or|a|an|the|that|is|are|for|by|at) )"
COUNTED = re.compile(rf"{PLACE} {LINKED}(?:[a-z-]+ )?(?:{'|'.join(NOUNS)})\b")
BROKEN = re.compile(r"""["']\n\s*f?["']""")
"""Where one text goes on in the next line of the source."""


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "row", "1 row"),
        (0, "row", "0 rows"),
        (2_000, "row", "2,000 rows"),
        (1.2, "row", "1 row"),
        (2, "class", "2 classes"),
        (2, "match", "2 matches"),
        (2, "query", "2 queries"),
        (2, "key", "2 keys"),
        (2, "duplicate group", "2 duplicate groups"),
        (1, "duplicate group", "1 duplicate group"),
    ],
)
def test_a_noun_agrees_with_its_number(number: float, noun: str, said: str):
    assert format_count(number, noun) == said


def test_a_verb_agrees_with_its_number():
    verbs = ("are", "have", "were", "do", "repeat", "match")
    assert [conjugate(1, verb) for verb in verbs] == "is has was does repeats matches".split()
    assert [conjugate(2, verb) for verb in verbs] == list(verbs)
    assert form_plural("box") == "boxes"


def counted_by_hand(source: str) -> list[str]:
    return COUNTED.findall(BROKEN.sub("", source))


def test_every_number_before_a_noun_goes_through_one_function():
    found = [
        f"{path.relative_to(ROOT)}: {said}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for said in counted_by_hand(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_scan_finds_what_it_looks_for():
    by_hand = 'f"{n:,} rows"; f"{len(x)} labelled rows"; f"{n:,} "\n  "rows"; '
    source = by_hand + 'f"{LEAST:,} rows"; f"{n:,} of them"; f"{share:.1%} of rows"'
    assert len(counted_by_hand(source)) == 3
