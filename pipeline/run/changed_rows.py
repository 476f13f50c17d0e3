"""Rows as rules and formula see them: as people edited them, with the labels that signals give."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from siftset.pipeline.decisions.table import DecidedRows, DecisionTable
from siftset.signals.label_votes.voters import Voters

if TYPE_CHECKING:
    from siftset.schemas.results.label_metrics import VoteMetrics


class ChangedRows(NamedTuple):
    """The rows of a frame, and what changed them."""

    frame: pl.DataFrame
    by_hand: DecidedRows | None
    """What people decided; None where the recipe names no decisions."""
    votes: VoteMetrics | None
    """What the votes on labels came to; None where none are held."""


def change_rows(
    frame: pl.DataFrame, review: DecisionTable | None, voters: Voters | None
) -> ChangedRows:
    """Return rows as they were read with what people and votes make of them.

    An edited text is voted on; a label that somebody gave stands over the votes.
    """
    by_hand = None if review is None else review.decide(frame)
    frame = frame if by_hand is None else by_hand.frame
    if voters is None:
        return ChangedRows(frame, by_hand, None)
    frame, votes = voters.add_labels(frame)
    by_hand = None if by_hand is None else by_hand.relabel(frame)
    return ChangedRows(frame if by_hand is None else by_hand.frame, by_hand, votes)
