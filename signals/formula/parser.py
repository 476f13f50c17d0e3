"""Turns the syntax tree of Python into the tree of a formula, and refuses what is no formula."""

from __future__ import annotations

import ast
import json
import keyword
import re

from pydantic import JsonValue

from siftset.schemas.errors import FormulaError
from siftset.signals.formula.tree import (
    COMPARISONS,
    MIRRORED,
    AskSignal,
    Comparison,
    FillUnknown,
    Inline,
    Node,
    Not,
    Symbol,
    Test,
    join,
)

MAX_DEPTH = 100

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SYMBOLS: dict[type[ast.operator], Symbol] = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}
_COMPARED: dict[type[ast.cmpop], Comparison] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


class AmbiguousError(FormulaError):
    """A comparison stands beside & | ^ without parentheses."""


def shorten_text(text: str) -> str:
    """Show the beginning of a text on one line."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


class Reader:
    """Turns Python's tree into ours, and remembers the words that it had to correct."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: set[str] = set()
        """The words and, or, not that were read as & | ~."""

    def read_node(self, tree: ast.expr, depth: int) -> Node:
        """Read a node that lies `depth` levels deep."""
        if depth > MAX_DEPTH:
            raise FormulaError(f"formula: nested deeper than {MAX_DEPTH} levels; make it flatter")
        match tree:
            case ast.Name(id=name):
                return AskSignal(self._check_name(name))
            case ast.BinOp():
                return self._read_chain(tree, depth)
            case ast.BoolOp(op=op, values=values):
                self.words.add("and" if isinstance(op, ast.And) else "or")
                symbol: Symbol = "&" if isinstance(op, ast.And) else "|"
                return join(symbol, *(self.read_node(value, depth + 1) for value in values))
            case ast.UnaryOp(op=ast.Invert() | ast.Not() as op, operand=operand):
                if isinstance(op, ast.Not):
                    self.words.add("not")
                return Not(self.read_node(operand, depth + 1))
            case ast.Compare():
                return self._read_comparison(tree)
            case ast.Call():
                return self._read_call(tree, depth)
        raise FormulaError(
            f"formula: not allowed: {_source_of(tree)}; only names of signals, & | ^ ~, "
            "parentheses, comparisons with a number and signals with literal keywords"
        )

    def _check_name(self, name: str) -> str:
        if not _NAME.match(name) or keyword.iskeyword(name):
            raise FormulaError(f"formula: '{name}' is no name of a signal (letters, digits and _)")
        if name not in self.text:
            raise FormulaError(f"formula: write '{name}' with plain letters")
        return name

    def _read_chain(self, tree: ast.BinOp, depth: int) -> Node:
        """Read a chain of one operator without recursion on its left side."""
        symbol = _SYMBOLS.get(type(tree.op))
        if symbol is None:
            raise FormulaError(
                f"formula: arithmetic is not allowed: {_source_of(tree)}; "
                "join signals with & | ^ and compare scores with a number"
            )
        terms: list[Node] = []
        left: ast.expr = tree
        while isinstance(left, ast.BinOp) and _SYMBOLS.get(type(left.op)) == symbol:
            terms.append(self.read_node(left.right, depth + 1))
            left = left.left
        return join(symbol, self.read_node(left, depth + 1), *reversed(terms))

    def _read_comparison(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        if any(isinstance(side, ast.BinOp) for side in sides):
            raise AmbiguousError("formula: a comparison beside & | ^ needs parentheses")
        if len(sides) != 2:
            raise FormulaError(
                f"formula: one comparison at a time: {_source_of(tree)}; "
                "write  (score >= 0.1) & (score <= 0.9)"
            )
        symbol = _COMPARED.get(type(tree.ops[0]))
        left, right = _number_literal(sides[0]), _number_literal(sides[1])
        if symbol is None or (left is None) == (right is None):
            raise FormulaError(
                f"formula: a score is compared with a number by {' '.join(COMPARISONS)}, "
                f"found  {_source_of(tree)}"
            )
        if right is None:
            assert left is not None
            return self._compare_leaf(sides[1], Test(MIRRORED[symbol], left))
        return self._compare_leaf(sides[0], Test(symbol, right))

    def _compare_leaf(self, tree: ast.expr, test: Test) -> AskSignal:
        leaf = (
            self.read_node(tree, MAX_DEPTH - 1) if isinstance(tree, ast.Name | ast.Call) else None
        )
        if not isinstance(leaf, AskSignal):
            raise FormulaError(
                f"formula: only a signal's score can be compared, not  {_source_of(tree)}"
            )
        return AskSignal(leaf.signal, leaf.inline, test)

    def _read_call(self, tree: ast.Call, depth: int) -> Node:
        match tree:
            case ast.Call(func=ast.Attribute(value=term, attr="fill"), keywords=[]):
                match tree.args:
                    case [ast.Constant(value=bool() as value)]:
                        return FillUnknown(self.read_node(term, depth + 1), value)
                raise FormulaError("formula: .fill takes True or False, as in  nike.fill(False)")
            case ast.Call(func=ast.Name(id=kind)):
                values: dict[str, JsonValue] = {}
                for item in tree.keywords:
                    if item.arg is None:
                        raise FormulaError(f"formula: no ** here: {_source_of(tree)}")
                    values[item.arg] = _read_literal(item.value)
                given = json.dumps(values, sort_keys=True, ensure_ascii=True)
                inline = Inline(self._check_name(kind), _column_argument(tree), given)
                return AskSignal(inline.name, inline)
        raise FormulaError(
            f"formula: not allowed: {_source_of(tree)}; only .fill(True), .fill(False) "
            "and signals with literal keywords can be called"
        )


def _source_of(tree: ast.AST) -> str:
    try:
        return shorten_text(ast.unparse(tree))
    except RecursionError:
        return "a deeply nested part"


def _number_literal(tree: ast.expr) -> float | None:
    match tree:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() as value) if abs(value) > 2**53:
            raise FormulaError(
                f"formula: {value:.6g} is beyond 2^53, where a score is rounded: give the limit to "
                "the signal, which compares integers exactly: number: {column: ..., min: ...}"
            )
        case ast.Constant(value=int() | float() as value) if abs(value) <= 1e300:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value_or_none = _number_literal(operand)
            return None if value_or_none is None else -value_or_none
    return None


def _column_argument(tree: ast.Call) -> str | None:
    match tree.args:
        case []:
            return None
        case [ast.Name(id=column)] | [ast.Constant(value=str() as column)]:
            return column
    raise FormulaError(
        f"formula: {_source_of(tree)}: only the column's name may stand without a keyword"
    )


def _read_literal(tree: ast.expr) -> JsonValue:
    match tree:
        case ast.Constant(value=str() | bool() | None as value):
            return value
        case ast.Constant(value=int() as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_read_literal(item) for item in items]
    value_or_none = _number_literal(tree)
    if value_or_none is None:
        raise FormulaError(
            f"formula: a keyword takes a text, number, True, False or a list, "
            f"found  {_source_of(tree)}"
        )
    return value_or_none
