"""The review as one file: what it holds, and the policy under which it opens."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli.app import app
from siftset.pipeline.review import static_file
from siftset.pipeline.review.requests import Ask
from siftset.schemas.errors import OutputError


def _read(path: Path) -> tuple[str, dict]:
    page = path.read_text(encoding="utf-8")
    packed = re.search(r'<script type="application/gzip" id="data">([^<]*)</script>', page)
    assert packed is not None
    return page, json.loads(gzip.decompress(b64decode(packed[1])))


def test_it_holds_what_a_server_would_answer(session, tmp_path: Path) -> None:
    session.decide(Ask(row=11, decision="relabel", label="pos"))
    done = static_file.write_static(session, tmp_path / "review.html")
    assert (done.rows, done.of) == (session.rows.count, session.rows.count)
    _, data = _read(done.path)
    for row in (1, 11, 30, 60, 61, 62):
        shown = session.show_row(row)
        assert data["text"][row] == shown["text"]
        assert data["seen"][row] == session.rows.frame[":seen"][row]
        says = [{"text": one["text"], "says": "false true unknown".split()[int(one["says"][row])]}
                for one in data["clauses"]]  # fmt: skip
        assert says == shown["clauses"]
        alike = [one["row"] for one in session.find_alike(row)]
        assert [other for other, _ in data["alike"][row]][:1] == alike[:1]
    assert data["said"] == {"11": session.hand.describe(11)}
    queues = {queue["name"]: queue["places"] for queue in data["queues"]}
    assert queues == {queue.name: queue.rows.tolist() for queue in session.queues()}


def test_scripts_and_style_stand_in_the_policy_by_their_hashes(session, tmp_path: Path) -> None:
    page, _ = _read(static_file.write_static(session, tmp_path / "review.html").path)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy[1]
    for held in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.DOTALL):
        digest = b64encode(hashlib.sha256(held.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_of_many_rows_it_holds_those_of_the_queues(session, tmp_path: Path, monkeypatch) -> None:
    every = {row for queue in session.queues() for row in queue.rows.tolist()}
    monkeypatch.setattr(static_file, "MOST", session.rows.count - 1)
    queued = session.queues
    monkeypatch.setattr(session, "queues", lambda: [q for q in queued() if q.name == "doubt"])
    done = static_file.write_static(session, tmp_path / "review.html")
    _, data = _read(done.path)
    assert 0 < done.rows < len(every)
    assert data["state"]["notes"][0] == f"the rows of the queues: {done.rows} of {done.of}"
    texts = [data["text"][at] for at in data["queues"][0]["places"]]
    doubtful = next(queue for queue in queued() if queue.name == "doubt")
    assert texts == session.rows.frame["text"].gather(doubtful.rows).to_list()
    monkeypatch.setattr(static_file, "MOST", 1)
    with pytest.raises(OutputError, match="a file holds at most 1"):
        static_file.write_static(session, tmp_path / "review.html")


def test_the_command_writes_it(recipe: Path, told, tmp_path: Path) -> None:
    file = tmp_path / "mail.html"
    found = told("review", recipe, "--static", file)
    assert (found["rows"], found["bytes"]) == (63, file.stat().st_size)


def test_one_file_is_read_or_written_at_a_time(recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "mail.html"
    done = CliRunner().invoke(
        app, ["review", str(recipe), "--static", str(file), "--export", str(tmp_path / "a.csv")]
    )
    assert done.exit_code == 2
    assert "expected one of --export FILE, --import FILE and --static FILE" in done.stderr
    assert not file.exists()
    assert not (tmp_path / "a.csv").exists()
