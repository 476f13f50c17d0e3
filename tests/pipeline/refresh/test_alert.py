"""Who is told of a refresh that was refused."""

from __future__ import annotations

import pytest

from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import GateFailed


@pytest.fixture
def webhook(listener):
    return f"{listener.url}/hook", listener.bodies


def test_a_refused_refresh_is_told_and_one_that_passes_is_not(new_world, webhook):
    url, received = webhook
    world = new_world(
        refresh={"notify": url}, integrity={"thresholds": {"rejected_share": {"critical": 0.5}}}
    )
    world.texts("a", "the first text", "the second text")
    refresh(world.path())
    assert received == []
    world.texts("b", "bad and long", "bad again, long")
    with pytest.raises(GateFailed):
        refresh(world.path())
    (told,) = received
    assert told["verdict"] == "fail"
    assert told["rows"]["read"] == 2
    assert "rejected_share" in told["alerts"][0]
