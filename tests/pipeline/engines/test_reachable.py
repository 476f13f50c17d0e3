"""A cluster that does not answer is said within a bound, not waited for."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest

from siftset.pipeline.engines.ray.nodes import check_reachable
from siftset.schemas.errors import SiftsetError


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "refused"), (b"", "timed out"), (b"HTTP/1.1 400 Bad\r\n", "is not a Ray cluster")],
    ids=["nobody", "silence", "another server"],
)
@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_address_without_a_cluster_is_told_within_its_time(answer, said, prefix):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, ended = server.getsockname()[1], threading.Event()

        def serve():
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(answer)
                        ended.wait(0.05 if answer else 5)

        if answer is None:
            server.close()
        else:
            threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(SiftsetError, match=rf"within 0\.6 s .*{said}.*connect_timeout"):
            check_reachable(f"{prefix}127.0.0.1:{port}", 0.6)
        assert time.monotonic() - began < 3
        ended.set()


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_a_cluster_of_this_machine_is_left_to_ray(address):
    check_reachable(address, 0.1)


def test_a_cluster_answers_as_one():
    ray = pytest.importorskip("ray")
    ray.init(address="local", include_dashboard=False, num_cpus=1, logging_level="error")
    try:
        check_reachable(ray.get_runtime_context().gcs_address, 10)
    finally:
        ray.shutdown()
