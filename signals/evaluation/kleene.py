"""Answers a formula for one frame, asking each signal only about the rows that still need it.

Every node gives a code for each row it is asked about; & goes on with the rows that are not false,
| with those that are not true, so that the codes are exactly Kleene's whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import FALSE, SKIPPED, TRUE, UNKNOWN, Codes, Rows
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.tree import AskSignal, FillUnknown, Node, Not, Op

NEGATED = np.array([TRUE, FALSE, UNKNOWN], np.uint8)
_AND = np.array([[0, 0, 0], [0, 1, 2], [0, 2, 2]], np.uint8)
_OR = np.array([[0, 1, 2], [1, 1, 1], [2, 1, 2]], np.uint8)
_XOR = np.array([[0, 1, 2], [1, 0, 2], [2, 2, 2]], np.uint8)
TABLES = {"&": _AND, "|": _OR, "^": _XOR}
"""By operator, the code of two terms joined; that of a term and its negation is `NEGATED`."""
DECIDES = {"&": FALSE, "|": TRUE, "^": SKIPPED}
"""The code of a term that settles its operator; none settles ^."""

Order = Callable[[Op], tuple[int, ...]]


def answer_node(node: Node, rows: Rows | None, space: Workspace, order: Order) -> Codes:
    """Answer a node for rows, all of them for None."""
    if isinstance(node, AskSignal):
        return space.answer_leaf(node, rows)
    if isinstance(node, Not):
        return NEGATED[answer_node(node.term, rows, space, order)]
    if isinstance(node, FillUnknown):
        codes = answer_node(node.term, rows, space, order)
        return np.where(codes == UNKNOWN, np.uint8(node.value), codes)
    return join_terms(node, rows, space, order, None)


def join_terms(
    node: Op, rows: Rows | None, space: Workspace, order: Order, seen: list[Codes] | None
) -> Codes:
    """Answer an operator term by term; `seen` takes each term's codes, in written order."""
    table, decides = TABLES[node.symbol], DECIDES[node.symbol]
    size = space.size if rows is None else rows.size
    whole = np.full(size, FALSE if node.symbol != "&" else TRUE, np.uint8)
    live: Rows | None = None
    for index in order(node):
        asked = rows if live is None else (live if rows is None else rows[live])
        codes = answer_node(node.terms[index], asked, space, order)
        if seen is not None:
            seen[index] = spread_codes(codes, live, size)
        if live is None:
            whole = table[whole, codes]
        else:
            whole[live] = table[whole[live], codes]
        if decides != SKIPPED:
            open_rows = np.flatnonzero(codes != decides)
            if open_rows.size < codes.size:
                live = open_rows if live is None else live[open_rows]
            if live is not None and not live.size:
                break
    return whole


def spread_codes(codes: Codes, live: Rows | None, size: int) -> Codes:
    """Lay codes of some rows out over all rows, the others skipped."""
    if live is None:
        return codes
    whole = np.full(size, SKIPPED, np.uint8)
    whole[live] = codes
    return whole


def mark_causes(node: Node, rows: Rows, space: Workspace, order: Order) -> NDArray[np.bool_]:
    """Mark, among rows on which a node is unknown, those where a fault is a cause of it."""
    if isinstance(node, AskSignal):
        raised = np.fromiter(space.raised.get(node.signal, {}), np.int64)
        return np.isin(rows, raised)
    if isinstance(node, Not):
        return mark_causes(node.term, rows, space, order)
    found = np.zeros(rows.size, bool)
    if isinstance(node, Op):
        for term in node.terms:
            unknown = answer_node(term, rows, space, order) == UNKNOWN
            found[unknown] |= mark_causes(term, rows[unknown], space, order)
    return found
