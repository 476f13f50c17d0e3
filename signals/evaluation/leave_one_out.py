"""What a formula answers without each of its signals, at a cost that grows with the formula.

Every node is answered once, from the leaves up. A signal's own part of an operator is then taken
out by joining what stands before it with what stands behind it, so that no tree is built or asked
again: Kleene's operators are associative, and the order of their terms changes no answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from siftset.signals.evaluation.bodies import FALSE, TRUE, UNKNOWN, Codes
from siftset.signals.evaluation.kleene import NEGATED, TABLES
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.tree import AskSignal, FillUnknown, Node, Not, Op

Without: TypeAlias = dict[str, Codes | None]
"""By signal, a node's answers without it; None where nothing is left of the node."""


def answer_all_nodes(node: Node, space: Workspace) -> dict[Node, Codes]:
    """Answer a node and every node below it for all rows."""
    if isinstance(node, AskSignal):
        return {node: space.answer_leaf(node, None)}
    if isinstance(node, Op):
        answers: dict[Node, Codes] = {}
        for term in node.terms:
            answers |= answer_all_nodes(term, space)
        joined = join_codes(node.symbol, [answers[term] for term in node.terms])[-1]
        return {**answers, node: joined}
    answers = answer_all_nodes(node.term, space)
    return {**answers, node: _answer_unary(node, answers[node.term])}


def answer_without_each(node: Node, answers: Mapping[Node, Codes]) -> Without:
    """Answer a node without each signal below it, from the answers of all nodes."""
    if isinstance(node, AskSignal):
        return {node.signal: None}
    if isinstance(node, Op):
        return _join_without_each(node, answers)
    return {
        name: None if codes is None else _answer_unary(node, codes)
        for name, codes in answer_without_each(node.term, answers).items()
    }


def join_codes(symbol: str, terms: Sequence[Codes]) -> list[Codes]:
    """Join terms from the left; one result for each term, and before them that of none."""
    table = TABLES[symbol]
    joined = [np.full_like(terms[0], TRUE if symbol == "&" else FALSE)]
    for codes in terms:
        joined.append(table[joined[-1], codes])
    return joined


def _answer_unary(node: Not | FillUnknown, codes: Codes) -> Codes:
    if isinstance(node, Not):
        return NEGATED[codes]
    return np.where(codes == UNKNOWN, np.uint8(node.value), codes)


def _join_without_each(node: Op, answers: Mapping[Node, Codes]) -> Without:
    said = [answers[term] for term in node.terms]
    before = join_codes(node.symbol, said)
    behind = join_codes(node.symbol, said[::-1])[::-1]
    table = TABLES[node.symbol]
    places: dict[str, dict[int, Codes | None]] = defaultdict(dict)
    for place, term in enumerate(node.terms):
        for name, codes in answer_without_each(term, answers).items():
            places[name][place] = codes
    found: Without = {}
    for name, changed in places.items():
        if len(changed) == len(node.terms) and not any(
            codes is not None for codes in changed.values()
        ):
            found[name] = None
        elif len(changed) == 1:
            ((place, codes),) = changed.items()
            others = table[before[place], behind[place + 1]]
            found[name] = others if codes is None else table[others, codes]
        else:
            # a signal that several terms ask: the others are joined again
            rest = [changed.get(place, codes) for place, codes in enumerate(said)]
            found[name] = join_codes(node.symbol, [one for one in rest if one is not None])[-1]
    return found
