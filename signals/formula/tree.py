"""The tree of a formula: its nodes, how they print, and the one form that equal formulas share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from siftset.schemas.errors import FormulaError

Comparison = Literal["<", "<=", ">", ">=", "==", "!="]
Symbol = Literal["&", "|", "^"]

COMPARISONS: tuple[Comparison, ...] = ("<", "<=", ">", ">=", "==", "!=")
MIRRORED: dict[Comparison, Comparison] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inline:
    """A signal written out in a formula: keyword(words=['nike'])."""

    kind: str
    column: str | None
    parameters: str
    """The literal keywords as canonical JSON."""

    @property
    def name(self) -> str:
        """A name for records, the same for the same call."""
        return f"{self.kind}_{digest(show_inline(self))[:8]}"

    @property
    def spec(self) -> dict[str, JsonValue]:
        """The call as a recipe would write it."""
        parameters: dict[str, JsonValue] = json.loads(self.parameters)
        if self.column is not None:
            parameters = {"column": self.column, **parameters}
        return {self.kind: parameters}


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of a score with a number."""

    __test__ = False
    symbol: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class AskSignal:
    """A leaf: what a signal says, or how its score compares."""

    signal: str
    inline: Inline | None = None
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """Yes where the term says no."""

    term: Node


@dataclass(frozen=True, slots=True)
class FillUnknown:
    """The term, with an answer for the rows where it is unknown."""

    term: Node
    value: bool


@dataclass(frozen=True, slots=True)
class Op:
    """Terms joined by one operator; no term is joined by the same one."""

    symbol: Symbol
    terms: tuple[Node, ...]


Node = AskSignal | Not | FillUnknown | Op

_BINDING: dict[str, int] = {"|": 1, "^": 2, "&": 3}
_COMPARED, _NEGATED, _ATOM = 0, 4, 5


def join(symbol: Symbol, *terms: Node) -> Node:
    """Join terms by an operator, flattening those that use it already."""
    flat: list[Node] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, Op) and term.symbol == symbol else (term,))
    return Op(symbol, tuple(flat)) if len(flat) > 1 else flat[0]


def leaves(node: Node) -> Iterator[AskSignal]:
    """Walk over the leaves from left to right, repeated ones too."""
    if isinstance(node, AskSignal):
        yield node
    elif isinstance(node, Op):
        for term in node.terms:
            yield from leaves(term)
    else:
        yield from leaves(node.term)


def number(value: float) -> str:
    """Print a number so that 1 and 1.0 are the same text."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def show_inline(inline: Inline) -> str:
    """Print a signal that is written out in a formula."""
    parameters: dict[str, JsonValue] = json.loads(inline.parameters)
    words: list[str] = []
    if inline.column is not None:
        words = [inline.column if inline.column.isidentifier() else repr(inline.column)]
    words += [f"{key}={value!r}" for key, value in parameters.items()]
    return f"{inline.kind}({', '.join(words)})"


def show(node: Node, binding: int = _COMPARED) -> str:
    """Print a tree; parsing the text gives the same tree."""
    if isinstance(node, AskSignal):
        name = node.signal if node.inline is None else show_inline(node.inline)
        if node.test is None:
            return name
        text = f"{name} {node.test.symbol} {number(node.test.value)}"
        return f"({text})" if binding > _COMPARED else text
    if isinstance(node, Not):
        text = "~" + show(node.term, _NEGATED)
        return f"({text})" if binding > _NEGATED else text
    if isinstance(node, FillUnknown):
        return f"{show(node.term, _ATOM)}.fill({node.value})"
    own = _BINDING[node.symbol]
    text = f" {node.symbol} ".join(show(term, own + 1) for term in node.terms)
    return f"({text})" if binding > own else text


def canonical(node: Node) -> Node:
    """Bring equal formulas to one form.

    Terms are flattened and sorted, repeated ones dropped under & and |, double negation and
    repeated fills removed. A repeated term of ^ stays: unknown ^ unknown is unknown, not no.
    """
    if isinstance(node, AskSignal):
        return node
    if isinstance(node, Not):
        term = canonical(node.term)
        return term.term if isinstance(term, Not) else Not(term)
    if isinstance(node, FillUnknown):
        term = canonical(node.term)
        return term if isinstance(term, FillUnknown) else FillUnknown(term, node.value)
    joined = join(node.symbol, *(canonical(term) for term in node.terms))
    if not isinstance(joined, Op) or joined.symbol != node.symbol:
        return joined
    ordered = sorted(joined.terms, key=show)
    if node.symbol != "^":
        ordered = list(dict.fromkeys(ordered))
    return join(node.symbol, *ordered)


def replace_leaves(node: Node, trees: Mapping[str, Node]) -> Node:
    """Put trees in the place of names; raise FormulaError where one is compared with a number."""
    if isinstance(node, AskSignal):
        if node.signal in trees and node.test is not None:
            raise FormulaError(
                f"formula: '{node.signal}' answers yes or no and has no score to compare"
            )
        return trees.get(node.signal, node)
    if isinstance(node, Op):
        return join(node.symbol, *(replace_leaves(term, trees) for term in node.terms))
    return replace(node, term=replace_leaves(node.term, trees))


def drop_signal(node: Node, name: str) -> Node | None:
    """Take a signal out of a tree; None where nothing is left."""
    if isinstance(node, AskSignal):
        return None if node.signal == name else node
    if isinstance(node, Op):
        left = [term for one in node.terms if (term := drop_signal(one, name)) is not None]
        return join(node.symbol, *left) if left else None
    inner = drop_signal(node.term, name)
    return None if inner is None else replace(node, term=inner)


def digest(*parts: str) -> str:
    """Hash texts to 32 hex digits; the parts are kept apart."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]
