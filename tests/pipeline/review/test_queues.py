"""What the queues offer, and what making them costs."""

from __future__ import annotations

import pytest

from siftset.pipeline.review import queues
from siftset.pipeline.review.session import ReviewSession


def test_the_pairs_of_many_signals_are_not_all_compared(
    session: ReviewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    correlate = queues.correlate

    def count(one, other) -> float:
        compared.append(one.size)
        return correlate(one, other)

    monkeypatch.setattr(queues, "correlate", count)
    everything = queues.find_against(session.rows)
    assert {11, 30} <= set(everything.rows.tolist())  # the labels that are wrong
    # three signals and two labels, of which the labels exclude each other anyway
    assert len(compared) == 9
    compared.clear()
    monkeypatch.setattr(queues, "_COMPARED", 1)
    queues.find_against(session.rows)
    assert len(compared) == 2
