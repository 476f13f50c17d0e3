"""The text of a formula: nike & product & (positive | ~spam).

Python's grammar restricted to names of signals, & | ^ ~, parentheses, comparisons of a score with
a number, `.fill(True)` or `.fill(False)`, and signals written out with literal keywords
(`keyword(words=['nike'])`, `is_null(text)`). Nothing is evaluated.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from siftset.schemas.errors import FormulaError
from siftset.schemas.plurals import format_count
from siftset.signals.formula.parser import MAX_DEPTH, AmbiguousError, Reader, shorten_text
from siftset.signals.formula.tree import Inline, Node, canonical, digest, leaves, show

MAX_LENGTH = 50_000
MAX_OPERATORS = 1_000
"""The most & | ^ of a formula: enough to join 1,000 signals, however many of them are negated."""

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_COMPARE = re.compile(
    r"(?P<left>[\w.]+(?:\([^()]*\))?)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<right>[-+]?[\w.]+)"
)


@dataclass(frozen=True, slots=True)
class Formula:
    """A boolean question over signals, three-valued as in SQL."""

    root: Node

    @property
    def text(self) -> str:
        """The formula in the order in which it was written."""
        return show(self.root)

    @property
    def canonical(self) -> str:
        """The one text that equal formulas share."""
        return show(canonical(self.root))

    @property
    def hash(self) -> str:
        """32 hex digits of the canonical text."""
        return digest(self.canonical)

    @property
    def names(self) -> tuple[str, ...]:
        """The signals asked, in the order of their first mention; inline ones by made-up names."""
        return tuple(dict.fromkeys(leaf.signal for leaf in leaves(self.root)))

    @property
    def calls(self) -> dict[str, Inline]:
        """The signals that are written out in the formula."""
        return {leaf.signal: leaf.inline for leaf in leaves(self.root) if leaf.inline is not None}

    def check(self, known: Collection[str]) -> None:
        """Raise FormulaError for a name that no signal has."""
        calls = self.calls
        for name in self.names:
            if name not in known and name not in calls:
                close = difflib.get_close_matches(name, known, n=1)
                listed = ", ".join(sorted(known)[:10]) or "none"
                raise FormulaError(
                    f"formula: no signal is called '{name}' (did you mean '{close[0]}'?)"
                    if close
                    else f"formula: no signal is called '{name}'; known signals: {listed}; "
                    "add it to `signals`"
                )

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Formula:
    """Read a formula; raise FormulaError with one line that says what to write instead."""
    _check_size(text)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(_explain_syntax(text, error)) from None
    reader = Reader(text)
    try:
        root = reader.read_node(tree.body, 0)
    except AmbiguousError:
        raise FormulaError(f"formula: {_suggest_parentheses(text)}") from None
    if reader.words:
        used = " and ".join(f"'{word}'" for word in sorted(reader.words))
        raise FormulaError(f"formula: {used} must be & | ~ here; write  {show(root)}")
    return Formula(root)


def _check_size(text: str) -> None:
    if not isinstance(text, str):
        raise FormulaError(f"formula: expected a text such as  nike & ~spam, found {text!r:.60}")
    if not text.strip():
        raise FormulaError("formula: it is empty; name at least one signal, such as  nike & ~spam")
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"formula: {format_count(len(text), 'character')} long, at most {MAX_LENGTH:,} "
            "are read; put long word lists in a file and name it by `keyword: {list: ...}`"
        )
    bare = _LITERAL.sub("''", text)
    if _measure_depth(bare) > MAX_DEPTH:
        raise FormulaError(f"formula: nested deeper than {MAX_DEPTH} levels; make it flatter")
    if sum(map(bare.count, "&|^")) > MAX_OPERATORS:
        raise FormulaError(f"formula: more than {MAX_OPERATORS:,} of & | ^; use fewer signals")


def _measure_depth(bare: str) -> int:
    depth = deepest = run = 0
    for character in bare:
        depth += (character in "([{") - (character in ")]}")
        if character in "~+-":
            run += 1
        elif not character.isspace():
            run = 0
        deepest = max(deepest, depth, run)
    runs: list[str] = re.findall(r"(?:\bnot\s+)+", bare)
    return max([deepest, *(found.count("not") for found in runs)])


_BRACKETS: Final = {
    "was never closed": "a bracket is not closed",
    "unmatched": "a bracket is closed that was not opened",
}
"""What Python says of brackets, and what we say."""


def _explain_syntax(text: str, error: Exception) -> str:
    where = ""
    if isinstance(error, SyntaxError) and error.offset:
        where = f" near column {error.offset}"
    bare = _LITERAL.sub("", text).replace("!=", "")
    for word, symbol in (("&&", "&"), ("||", "|"), ("!", "~"), ("not ", "~")):
        if word in bare:
            return f"formula: '{word.strip()}' is not an operator{where}; write {symbol}"
    what = next((say for sign, say in _BRACKETS.items() if sign in str(error)), "not readable")
    return f"formula: {what}{where}: {shorten_text(text)}; expected such as  nike & (a | ~b)"


def _suggest_parentheses(text: str) -> str:
    """Say how a comparison beside & | ^ is written."""
    message = "a comparison beside & | ^ needs parentheses"
    corrected = _COMPARE.sub(_add_parentheses, text.strip())
    try:
        return (
            f"{message}; write  {parse(corrected).text}" if corrected != text.strip() else message
        )
    except FormulaError:
        return f"{message}, as in  nike & (sentiment >= 0.05)"


def _add_parentheses(found: re.Match[str]) -> str:
    before, after = found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    enclosed = before.endswith("(") and after.startswith(")")
    return found[0] if enclosed else f"({found[0]})"
