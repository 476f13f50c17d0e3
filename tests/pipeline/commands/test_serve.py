from __future__ import annotations

import http.client
import json
import re
import threading
from pathlib import Path

import pytest

from siftset.pipeline.commands.serve import serve_output
from siftset.pipeline.reports.difference import difference_page
from siftset.pipeline.reports.index import write_index
from siftset.schemas.errors import OutputError
from siftset.schemas.results.difference import SetDifference
from siftset.schemas.results.metrics import Rows, Run, RunMetrics

RECIPE = "<img src=x onerror=\"document.title='owned'\">"


def _run(output: Path, number: int, kept: int) -> None:
    folder = output / "runs" / f"2026112{number}T000000000Z-ab12"
    (folder / "rejected").mkdir(parents=True)
    (folder / "rejected" / "part-0.parquet").write_bytes(b"PAR1")
    metrics = RunMetrics(
        verdict="warn" if number else "pass",
        run=Run(run_id=folder.name, recipe=RECIPE, version=number, started="2026-11-21T10:00:00"),
        rows=Rows(read=100, kept=kept, rejected=100 - kept, set=kept, splits={"train": kept}),
    )
    (folder / "metrics.json").write_text(metrics.model_dump_json(), encoding="utf-8")
    (folder / "report.html").write_text("<title>report</title>", encoding="utf-8")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    output = tmp_path / "out"
    for number, kept in enumerate([40, 42, 60]):
        _run(output, number, kept)
    (output / "versions" / "2").mkdir(parents=True)
    (output / "models" / "m1").mkdir(parents=True)
    docs = output / "runs" / "20261120T000000000Z-ab12" / "data_docs"
    docs.mkdir()
    (docs / "index.html").write_text("<title>docs</title>", encoding="utf-8")
    (output / ".work").mkdir()
    (output / "odd name #?%.txt").write_text("odd", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (output / "escape").symlink_to(tmp_path)
    return output


@pytest.fixture
def address(output: Path):
    stop, ready, found = threading.Event(), threading.Event(), []

    def hear(url: str) -> None:
        found.append(url)
        ready.set()

    keywords = {"ready": hear, "stop": stop}
    thread = threading.Thread(target=serve_output, args=(output, 0), kwargs=keywords)
    thread.start()
    assert ready.wait(60)
    yield found[0]
    stop.set()
    thread.join(60)


def _get(address: str, path: str, *, method: str = "GET", host: str | None = None):
    place = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", place if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body.decode("utf-8", "replace")


def test_the_index_lists_runs_versions_and_models(address: str) -> None:
    answer, body = _get(address, "/")
    assert answer.status == 200
    for said in ("20261122T000000000Z-ab12", "runs/20261122T000000000Z-ab12/report.html", "m1"):
        assert said in body
    assert "<img" not in body
    assert "kept share" in body


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/runs/20261121T000000000Z-ab12/report.html", "text/html", "report"),
        ("/runs/20261121T000000000Z-ab12/rejected/", "text/html", "part-0.parquet"),
        ("/runs/20261121T000000000Z-ab12/rejected/part-0.parquet", "application/octet", "PAR1"),
        ("/runs/20261120T000000000Z-ab12/data_docs/", "text/html", "docs"),
        ("/odd%20name%20%23%3F%25.txt", "text/plain", "odd"),
        ("/live", "text/html", "No run is in progress"),
    ],
)
def test_files_and_folders_are_shown(address: str, path: str, kind: str, said: str) -> None:
    answer, body = _get(address, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert said in body


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/runs/../../secret.txt",
        "/escape/secret.txt",
        "//etc/passwd",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/.work/",
        "/%00",
        "/nothing",
        "/runs/nothing/live",
        "/" + "a" * 5000,
        "/escape/",
    ],
)
def test_nothing_outside_the_folder_is_served(address: str, path: str) -> None:
    answer, body = _get(address, path)
    assert answer.status == 404
    assert "secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8722", "127.0.0.1", "", "[::1]:1"])
def test_another_host_name_is_refused(address: str, host: str) -> None:
    answer, _ = _get(address, "/", host=host)
    assert answer.status == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_is_read_only(address: str, method: str) -> None:
    assert _get(address, "/", method=method)[0].status == 501


@pytest.mark.parametrize("path", ["/", "/live", "/runs/20261121T000000000Z-ab12/report.html", "/x"])
def test_every_answer_carries_the_security_headers(address: str, path: str) -> None:
    headers = _get(address, path)[0].headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Python" not in headers["Server"]


def test_head_has_no_body_and_a_folder_redirects_inside(address: str) -> None:
    answer, body = _get(address, "/", method="HEAD")
    assert (answer.status, body) == (200, "")
    answer, _ = _get(address, "//evil.example/runs")
    assert answer.status in (301, 404)
    assert (answer.headers["Location"] or "./").startswith("./")


def test_a_run_in_progress_is_followed(address: str, output: Path, browser) -> None:
    told = {"recipe": RECIPE, "stage": "read and sift", "done": 500, "total": 1000, "read": 500,
            "kept": 120, "quarantined": 25, "unreadable": 0, "seconds": 4}  # fmt: skip
    (output / ".work" / "progress.json").write_text(json.dumps(told), encoding="utf-8")
    browser.requests()
    browser.complaints()
    browser.open(f"{address}live")
    text = browser.driver.find_element("tag name", "body").text
    assert "95.0%" in text
    assert "475 of 500" in text
    assert "read and sift: 500 of 1,000" in text
    assert browser.driver.title != "owned"
    assert {url for url in browser.requests() if "favicon" not in url} == {f"{address}live"}
    (output / ".work" / "progress.json").unlink()
    assert _get(address, "/")[1].count('http-equiv="refresh"') == 0


def test_a_first_run_is_followed_before_it_has_made_anything(address: str, output: Path) -> None:
    progress = output / "first" / ".work" / "progress.json"
    progress.parent.mkdir(parents=True)
    assert _get(address, "/first/live")[0].status == 404
    progress.write_text(json.dumps({"recipe": "new", "stage": "read and sift"}), encoding="utf-8")
    for path in ("/first/", "/first/live"):
        assert "In progress" in _get(address, path)[1]
    assert _get(address, "/favicon.ico")[0].status == 204


def test_the_static_index_is_the_same_without_a_server(output: Path, browser) -> None:
    path = write_index(output)
    browser.complaints()
    browser.open(path)
    assert browser.complaints() == []
    links = browser.driver.find_elements("css selector", "a[href*='report.html']")
    assert len(links) == 4  # of three runs, and of the latest under its verdict
    links[0].click()
    assert browser.driver.title == "report"


@pytest.mark.parametrize(("port", "said"), [(70_000, "port 70000"), (-1, "port -1")])
def test_a_port_that_cannot_be_used_is_one_line(tmp_path: Path, port: int, said: str) -> None:
    with pytest.raises(OutputError, match=said):
        serve_output(tmp_path, port)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not a folder"):
        serve_output(tmp_path / "nowhere", 0)


def test_only_the_page_of_a_difference_may_run_the_script_that_searches_it(
    address: str, output: Path, browser
) -> None:
    side = {"name": "version 0", "rows": 1}
    row = {"row_id": "r", "kind": "added", "reason": "new input", "after": {"text": "shoes"}}
    found = SetDifference.model_validate({"before": side, "after": side, "samples": [row]})
    folder = output / "runs/20261121T000000000Z-ab12"
    (folder / "diff.html").write_text(difference_page(found), encoding="utf-8")
    answer, _ = _get(address, "/runs/20261121T000000000Z-ab12/diff.html")
    policy = answer.headers["Content-Security-Policy"]
    assert re.search(r"script-src 'sha256-[\w+/=]+'; ", policy)
    assert "script-src" not in _get(address, "/")[0].headers["Content-Security-Policy"]
    browser.complaints()
    browser.open(f"{address}runs/20261121T000000000Z-ab12/diff.html")
    assert browser.complaints() == []
    assert browser.driver.find_element("css selector", "#search output").text == "1 of 1"
