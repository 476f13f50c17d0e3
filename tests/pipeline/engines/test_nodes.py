"""A cluster that is not there is told of in time."""

from __future__ import annotations

import socket
import time

import pytest

from siftset.pipeline.engines.ray.nodes import connect_cluster
from siftset.schemas.errors import SiftsetError
from siftset.schemas.recipe.cluster import Cluster

pytest.importorskip("ray")


@pytest.fixture
def free_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
@pytest.mark.parametrize("by_environment", [True, False])
def test_an_address_at_which_nothing_answers_has_a_bound(
    free_port, monkeypatch, form, by_environment
):
    address = form.format(free_port)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if by_environment:
        monkeypatch.setenv("RAY_ADDRESS", address)
    config = Cluster(address=None if by_environment else address, connect_timeout=0.5)
    began = time.monotonic()
    with pytest.raises(
        SiftsetError, match=rf"nothing answers at .*{address} .*0.5 seconds"
    ) as told:
        connect_cluster(config, None)
    assert time.monotonic() - began < 5
    assert "\n" not in str(told.value)
