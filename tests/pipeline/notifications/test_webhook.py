from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.notifications.webhook import make_message, send_alert
from siftset.schemas.errors import GateFailed
from siftset.schemas.progress import Silent
from siftset.schemas.results.metrics import Rows, Run, RunMetrics


def _metrics(verdict: str) -> RunMetrics:
    run = Run(run_id="r1", recipe="nike", version=3)
    return RunMetrics(verdict=verdict, run=run, rows=Rows(read=10, kept=4, quarantined=6))


@pytest.fixture
def receiver(listener):
    return f"{listener.url}/hook-secret", listener.bodies, listener


@pytest.mark.parametrize(("verdict", "posts"), [("pass", 0), ("warn", 1), ("fail", 1)])
def test_only_warnings_and_failures_are_posted(verdict: str, posts: int, receiver) -> None:
    url, received, _ = receiver
    assert send_alert(url, _metrics(verdict), ()) is None
    assert len(received) == posts


def test_the_message_says_what_happened(receiver) -> None:
    url, received, _ = receiver
    send_alert(url, _metrics("fail"), ("text: <!channel> & nulls",))
    assert received[0]["text"].startswith("*Failed: nike, run r1*\n4 of 10 rows kept")
    assert "&lt;!channel&gt; &amp; nulls" in received[0]["text"]
    assert received[0]["verdict"] == "fail"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_receiver_that_refuses_is_reported_without_its_address(status: int, receiver) -> None:
    url, _, handler = receiver
    handler.status = status
    assert send_alert(url, _metrics("warn"), ()) == f"alert not sent: the address answered {status}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/secret",
        "ftp://x/secret",
        "file:///etc/secret",
        "secret",
        "http://[/secret",
    ],
)
def test_an_address_that_cannot_work_never_raises_nor_shows(url: str) -> None:
    said = send_alert(url, _metrics("fail"), ())
    assert said is not None
    assert "secret" not in said


RECIPE = """
name: shoes
output: out
source: {{files: {{paths: [a.csv], text: text}}}}
signals: {{shoes: {{keyword: {{words: [shoes]}}}}}}
keep: shoes
integrity: {{rows: {{text: {{not_null: true, max_chars: 12, actions: {{max_chars: {action}}}}}}}}}
refresh: {{notify: "{url}"}}
"""


def _curate(folder: Path, action: str, url: str, said: list[str]) -> None:
    (folder / "a.csv").write_text("text,n\nbad shoes,1\nthe longest shoes,2\n", "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE.format(action=action, url=url), "utf-8")

    class Heard(Silent):
        def say(self, line: str) -> None:
            said.append(line)

    curate(folder / "recipe.yaml", progress=Heard())


def test_curating_posts_a_warning_and_a_refusal(tmp_path: Path, receiver, monkeypatch) -> None:
    url, received, _ = receiver
    monkeypatch.setenv("HOOK", url)
    said: list[str] = []
    _curate(tmp_path, "quarantine", "${HOOK}", said)
    assert (received, said) == ([], [])
    _curate(tmp_path, "warn", "${HOOK}", said)
    (warned,) = received
    assert (warned["verdict"], warned["version"], warned["rows"]["kept"]) == ("warn", 1, 2)
    assert warned["alerts"] == ["warning: max_chars on text: 1 of 2 rows (longer than 12 "
                                "characters; warn)"]  # fmt: skip
    with pytest.raises(GateFailed):
        _curate(tmp_path, "block", "${HOOK}", said)
    assert received[1]["verdict"] == "fail"
    assert received[1]["version"] is None
    assert received[1]["alerts"][0] == "text: longer than 12 characters in 1 row; nothing was " \
        "published"  # fmt: skip
    assert said == []
    everything = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert not [text for text in everything if b"hook-secret" in text]


def test_curating_goes_on_without_its_webhook(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    said: list[str] = []
    _curate(tmp_path, "warn", "${HOOK}", said)
    assert said == ["warning: alert not sent: the variable that refresh.notify names is not set"]


def test_a_long_list_is_cut() -> None:
    lines = tuple(f"line {i}" for i in range(25))
    text = str(make_message(_metrics("warn"), lines)["text"])
    assert "line 9" in text
    assert "line 10" not in text
    assert "and 15 more" in text


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"nonsense\r\n\r\n", "BadStatusLine"), (b"", "no answer within 0.4 seconds")],
    ids=["nonsense", "a byte now and then"],
)
def test_a_server_that_answers_wrongly_or_for_ever_holds_nothing_up(monkeypatch, answer, said):
    monkeypatch.setattr("siftset.pipeline.notifications.webhook.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve():
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(answer or b"HTTP/1.1 200 OK\r\n")
                while not answer and not ended.wait(0.05):
                    connection.sendall(b"X")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert send_alert(url, _metrics("fail"), ()) == f"alert not sent: {said}"
        ended.set()
        thread.join()
