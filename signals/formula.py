"""The text of a formula: nike & product & (positive | ~spam).

Python's grammar restricted to names of signals, & | ^ ~, parentheses, comparisons of a score with
a number, `.fill(True)` or `.fill(False)`, and signals written out with literal keywords
(`keyword(words=['nike'])`, `is_null(text)`). Nothing is evaluated.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass

from pydantic import JsonValue

from schemas.errors import FormulaError
from signals.tree import (
    COMPARISONS,
    MIRRORED,
    Ask,
    Comparison,
    Fill,
    Inline,
    Node,
    Not,
    Symbol,
    Test,
    canonical,
    digest,
    join,
    leaves,
    show,
)

MAX_LENGTH = 20_000
MAX_DEPTH = 100
MAX_OPERATORS = 1_000

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_COMPARE = re.compile(
    r"(?P<left>[\w.]+(?:\([^()]*\))?)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<right>[-+]?[\w.]+)"
)
_SYMBOLS: dict[type[ast.operator], Symbol] = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}
_COMPARED: dict[type[ast.cmpop], Comparison] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


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
                raise FormulaError(_unknown(name, known))

    def __str__(self) -> str:
        return self.text


def _unknown(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"formula: no signal is called '{name}' (did you mean '{close[0]}'?)"
    listed = ", ".join(sorted(known)[:10]) or "none"
    return f"formula: no signal is called '{name}'; known signals: {listed}; add it to `signals`"


def parse(text: str) -> Formula:
    """Read a formula; raise FormulaError with one line that says what to write instead."""
    _bound(text)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(_syntax(text, error)) from None
    reader = _Reader(text)
    root = reader.node(tree.body, 0)
    if reader.words:
        used = " and ".join(f"'{word}'" for word in sorted(reader.words))
        raise FormulaError(f"formula: {used} must be & | ~ here; write  {show(root)}")
    return Formula(root)


def _bound(text: str) -> None:
    if not isinstance(text, str):
        raise FormulaError(f"formula: expected a text such as  nike & ~spam, found {text!r:.60}")
    if not text.strip():
        raise FormulaError("formula: it is empty; name at least one signal, such as  nike & ~spam")
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"formula: {len(text):,} characters long, at most {MAX_LENGTH:,} are read; "
            "put long word lists in a file and name it by `keyword: {list: ...}`"
        )
    bare = _LITERAL.sub("''", text)
    if _depth(bare) > MAX_DEPTH:
        raise FormulaError(f"formula: nested deeper than {MAX_DEPTH} levels; make it flatter")
    if sum(map(bare.count, "&|^~")) > MAX_OPERATORS:
        raise FormulaError(f"formula: more than {MAX_OPERATORS:,} operators; use fewer signals")


def _depth(bare: str) -> int:
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


def _syntax(text: str, error: Exception) -> str:
    where = ""
    if isinstance(error, SyntaxError) and error.offset:
        where = f" near column {error.offset}"
    bare = _LITERAL.sub("", text).replace("!=", "")
    for word, symbol in (("&&", "&"), ("||", "|"), ("!", "~"), ("not ", "~")):
        if word in bare:
            return f"formula: '{word.strip()}' is not an operator{where}; write {symbol}"
    return f"formula: not readable{where}: {_short(text)}; expected such as  nike & (a | ~b)"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


class _Reader:
    """Turns Python's tree into ours, and remembers the words that it had to mend."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: set[str] = set()

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise FormulaError(f"formula: nested deeper than {MAX_DEPTH} levels; make it flatter")
        match tree:
            case ast.Name(id=name):
                return Ask(self._name(name))
            case ast.BinOp():
                return self._chain(tree, depth)
            case ast.BoolOp(op=op, values=values):
                self.words.add("and" if isinstance(op, ast.And) else "or")
                symbol: Symbol = "&" if isinstance(op, ast.And) else "|"
                return join(symbol, *(self.node(value, depth + 1) for value in values))
            case ast.UnaryOp(op=ast.Invert() | ast.Not() as op, operand=operand):
                if isinstance(op, ast.Not):
                    self.words.add("not")
                return Not(self.node(operand, depth + 1))
            case ast.Compare():
                return self._compare(tree)
            case ast.Call():
                return self._call(tree, depth)
        raise FormulaError(
            f"formula: not allowed: {_short(_unparse(tree))}; only names of signals, & | ^ ~, "
            "parentheses, comparisons with a number and signals with literal keywords"
        )

    def _name(self, name: str) -> str:
        if not _NAME.match(name) or keyword.iskeyword(name):
            raise FormulaError(f"formula: '{name}' is no name of a signal (letters, digits and _)")
        if name not in self.text:
            raise FormulaError(f"formula: write '{name}' with plain letters")
        return name

    def _chain(self, tree: ast.BinOp, depth: int) -> Node:
        """Read a chain of one operator without recursion on its left side."""
        symbol = _SYMBOLS.get(type(tree.op))
        if symbol is None:
            raise FormulaError(
                f"formula: arithmetic is not allowed: {_short(_unparse(tree))}; "
                "join signals with & | ^ and compare scores with a number"
            )
        terms: list[Node] = []
        left: ast.expr = tree
        while isinstance(left, ast.BinOp) and _SYMBOLS.get(type(left.op)) == symbol:
            terms.append(self.node(left.right, depth + 1))
            left = left.left
        return join(symbol, self.node(left, depth + 1), *reversed(terms))

    def _compare(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        if any(isinstance(side, ast.BinOp) for side in sides):
            raise FormulaError(f"formula: {_parenthesise(self.text)}")
        if len(sides) != 2:
            raise FormulaError(
                f"formula: one comparison at a time: {_short(_unparse(tree))}; "
                "write  (score >= 0.1) & (score <= 0.9)"
            )
        symbol = _COMPARED.get(type(tree.ops[0]))
        left, right = _number(sides[0]), _number(sides[1])
        if symbol is None or (left is None) == (right is None):
            raise FormulaError(
                f"formula: a score is compared with a number by {' '.join(COMPARISONS)}, "
                f"found  {_short(_unparse(tree))}"
            )
        if right is None:
            assert left is not None
            return self._tested(sides[1], Test(MIRRORED[symbol], left))
        return self._tested(sides[0], Test(symbol, right))

    def _tested(self, tree: ast.expr, test: Test) -> Ask:
        leaf = self.node(tree, MAX_DEPTH - 1) if isinstance(tree, ast.Name | ast.Call) else None
        if not isinstance(leaf, Ask):
            raise FormulaError(
                f"formula: only a signal's score can be compared, not  {_short(_unparse(tree))}"
            )
        return Ask(leaf.signal, leaf.inline, test)

    def _call(self, tree: ast.Call, depth: int) -> Node:
        match tree:
            case ast.Call(func=ast.Attribute(value=term, attr="fill"), keywords=[]):
                match tree.args:
                    case [ast.Constant(value=bool() as value)]:
                        return Fill(self.node(term, depth + 1), value)
                raise FormulaError("formula: .fill takes True or False, as in  nike.fill(False)")
            case ast.Call(func=ast.Name(id=kind)):
                inline = Inline(self._name(kind), _column(tree), _parameters(tree))
                return Ask(inline.name, inline)
        raise FormulaError(
            f"formula: not allowed: {_short(_unparse(tree))}; only .fill(True), .fill(False) "
            "and signals with literal keywords can be called"
        )


def _parenthesise(text: str) -> str:
    """Say how a comparison beside & | ^ is written."""
    message = "a comparison beside & | ^ needs parentheses"
    mended = _COMPARE.sub(_wrapped, text.strip())
    try:
        return f"{message}; write  {parse(mended).text}" if mended != text.strip() else message
    except FormulaError:
        return f"{message}, as in  nike & (sentiment >= 0.05)"


def _wrapped(found: re.Match[str]) -> str:
    before, after = found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    enclosed = before.endswith("(") and after.startswith(")")
    return found[0] if enclosed else f"({found[0]})"


def _unparse(tree: ast.AST) -> str:
    try:
        return ast.unparse(tree)
    except RecursionError:
        return "a deeply nested part"


def _number(tree: ast.expr) -> float | None:
    match tree:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value) if abs(value) <= 1e300:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value_or_none = _number(operand)
            return None if value_or_none is None else -value_or_none
    return None


def _column(tree: ast.Call) -> str | None:
    match tree.args:
        case []:
            return None
        case [ast.Name(id=column)] | [ast.Constant(value=str() as column)]:
            return column
    raise FormulaError(
        f"formula: {_short(_unparse(tree))}: only the column's name may stand without a keyword"
    )


def _parameters(tree: ast.Call) -> str:
    values: dict[str, JsonValue] = {}
    for item in tree.keywords:
        if item.arg is None:
            raise FormulaError(f"formula: no ** here: {_short(_unparse(tree))}")
        values[item.arg] = _literal(item.value)
    return json.dumps(values, sort_keys=True, ensure_ascii=True)


def _literal(tree: ast.expr) -> JsonValue:
    match tree:
        case ast.Constant(value=str() | bool() | None as value):
            return value
        case ast.Constant(value=int() as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item) for item in items]
    value_or_none = _number(tree)
    if value_or_none is None:
        raise FormulaError(
            f"formula: a keyword takes a text, number, True, False or a list, "
            f"found  {_short(_unparse(tree))}"
        )
    return value_or_none
