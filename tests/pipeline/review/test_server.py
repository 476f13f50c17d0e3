"""Who may ask and decide, and what a page is answered."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from dataclasses import replace

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.reports.index import index_page
from siftset.pipeline.review.open import open_review
from siftset.pipeline.review.server import KEY, open_server
from siftset.pipeline.storage.catalog import read_catalog
from siftset.schemas.errors import OutputError

ONE = json.dumps({"row": 1, "decision": "drop"})


def _decisions(page) -> list[dict]:
    path = page.server.session.hand.path
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/api/state", None, {"X_Siftset_Key": None}, 403),
        ("GET", "/api/state", None, {"X_Siftset_Key": "guess"}, 403),
        ("GET", "/api/state", None, {"X_Siftset_Key": "\xff"}, 403),
        ("POST", "/api/decide", ONE, {"X_Siftset_Key": None}, 403),
        ("POST", "/api/decide", ONE, {"Origin": "http://evil.example"}, 403),
        ("POST", "/api/decide", ONE, {"Origin": "null"}, 403),
        ("POST", "/api/decide", ONE, {"Host": "evil.example"}, 421),
        ("GET", "/", None, {"Host": "evil.example:80"}, 421),
        ("GET", "/../pyproject.toml", None, {}, 404),
        ("GET", "/page.html", None, {}, 404),
        ("GET", "/api/nothing", None, {}, 404),
        ("OPTIONS", "/api/decide", None, {"Origin": "http://evil.example"}, 501),
        ("PUT", "/api/decide", ONE, {}, 501),
        ("POST", "/api/decide", "{", {}, 400),
        ("POST", "/api/decide", json.dumps({"row": 99, "decision": "drop"}), {}, 400),
        ("POST", "/api/decide", json.dumps({"row": -1, "decision": "drop"}), {}, 400),
        ("POST", "/api/decide", json.dumps({"row": 1, "decision": "burn"}), {}, 400),
        ("POST", "/api/decide", json.dumps({"row": 1, "decision": "relabel"}), {}, 400),
        ("POST", "/api/decide", json.dumps({"decision": "drop", "rows": 3}), {}, 400),
        ("POST", "/api/select", b"\x01", {}, 400),
        ("GET", "/api/rows?filter=%7B%22queue%22%3A%22none%22%7D", None, {}, 400),
        ("GET", "/api/row?row=x", None, {}, 400),
    ],
)
def test_what_is_refused_decides_nothing(page, method, path, body, headers, status) -> None:
    found, said, _ = page.send(method, path, body, **headers)
    assert found == status
    assert b"evil" not in said
    assert _decisions(page) == []


def test_the_page_itself_holds_no_row_and_runs_our_scripts_alone(page) -> None:
    status, body, headers = page.send("GET", "/", None, X_Siftset_Key=None)
    text = body.decode()
    assert status == 200
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "trusted-types 'none'" in headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! src=\"/[a-z]+\.js\" defer>)|\son\w+=|style=", text)
    for name in re.findall(r'(?:src|href)="(/[^"]+)"', text):
        status, body, _ = page.send("GET", name, None, X_Siftset_Key=None)
        assert status == 200
        assert not re.search(rb"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", body)


def test_a_row_says_where_it_went_and_why(page) -> None:
    rows = {row["row"]: row for row in page.ask("rows", limit="500")["rows"]}
    parts = [rows[at]["part"] for at in (1, 60, 61, 62)]
    assert parts == ["kept", "quarantined", "duplicate", "rejected"]
    short = page.ask("row", row="62")
    assert short["clauses"] == [
        {"text": "some", "says": "false"},
        {"text": "film | (strong >= 0.3)", "says": "true"},
    ]
    assert short["notes"] == {"One clause away": "only fails some"}
    assert [signal["says"] for signal in short["signals"][:2]] == ["false", "true"]
    assert page.ask("row", row="61")["repeats"] == page.ask("row", row="1")["row_id"]
    assert page.ask("row", row="60")["why"] == "text: longer than 90 characters"
    alike = page.ask("alike", row="1")
    assert (alike[0]["row"], alike[0]["cosine"]) == (61, 1.0)


def test_queues_find_the_wrong_labels(page) -> None:
    state = page.ask("state")
    assert state["preparing"] is None
    assert state["notes"] == []
    names = [queue["name"] for queue in state["queues"]]
    assert {"doubt", "clause", "aside", "random_kept", "random_rejected"} <= set(names)
    first = page.ask("rows", filter={"queue": "doubt"})["rows"][:2]
    assert {row["row"] for row in first} == {11, 30}
    assert page.ask("row", row="11")["doubt"]["likelier"] == "pos"


def test_filters_and_facets_agree(page) -> None:
    asked = {"facets": {"label": ["pos"], "part": ["kept"]}, "q": "FILM"}
    found = page.ask("rows", filter=asked, limit="500")
    assert found["total"] == len(found["rows"]) > 0
    assert all(row["label"] == "pos" and "film" in row["text"] for row in found["rows"])
    facets = {one["name"]: one["values"] for one in page.ask("facets", filter=asked)["facets"]}
    # a facet's own choice does not hide its other values
    assert {"value": "kept", "rows": found["total"]} in facets["part"]
    assert {value["value"] for value in facets["label"]} >= {"pos"}
    for value in facets["origin"]:
        one = {**asked, "facets": {**asked["facets"], "origin": [value["value"]]}}
        assert page.ask("rows", filter=one)["total"] == value["rows"]
    says = {one["name"]: one["rows"] for one in page.ask("facets", filter=asked)["signals"]}
    assert page.ask("rows", filter={**asked, "signals": ["film"]})["total"] == says["film"]


def test_decisions_are_written_shown_and_taken_back(page) -> None:
    page.tell("decide", row=11, decision="relabel", label="pos", filter={"queue": "doubt"})
    page.tell("decide", row=30, decision="drop", reason="nonsense")
    done = page.tell("decide", row=60, decision="edit", text="A film that fits.")
    assert done["counts"] == {"dropped": 1, "edited": 1, "relabelled": 1}
    first, second, _ = _decisions(page)
    row = page.ask("row", row="11")
    assert (first["row_id"], first["label"], first["how"]) == (row["row_id"], "pos", "row")
    assert first["queue"] == "doubt"
    assert (second["reason"], second["by"]) == ("nonsense", "mara")
    hand = {"facets": {"by hand": ["relabelled"]}}
    assert [one["row"] for one in page.ask("rows", filter=hand)["rows"]] == [11]
    undone = page.tell("undo")
    assert (undone["undone"], undone["decided"]) == ([60], 2)
    assert page.ask("row", row="60")["decision"] is None


def test_a_changed_row_is_asked_as_a_run_would_see_it(page) -> None:
    assert page.ask("row", row="0")["clauses"][1]["says"] == "false"
    page.tell("decide", row=0, decision="edit", text="A film after all.")
    row = page.ask("row", row="0")
    assert [clause["says"] for clause in row["clauses"]] == ["true", "true"]
    assert row["text"].startswith("A quiet bore")
    assert row["decision"]["text"] == "A film after all."


def test_many_rows_are_one_step_whose_count_must_still_be_true(page) -> None:
    asked = {"facets": {"origin": ["shop"]}}
    total = page.ask("rows", filter=asked)["total"]
    status, said, _ = page.send(
        "POST", "/api/decide", json.dumps({"filter": asked, "rows": total + 1, "decision": "drop"})
    )
    assert (status, _decisions(page)) == (400, [])
    assert f"{total} rows are meant now" in json.loads(said)["error"]
    assert page.tell("decide", filter=asked, rows=total, decision="drop")["done"] == total
    assert {line["how"] for line in _decisions(page)} == {"bulk"}
    assert page.tell("undo")["count"] == total
    assert page.ask("state")["decided"] == 0


def test_the_rows_of_a_lasso_are_chosen_by_bits(page) -> None:
    bits = bytes([0b00001010, 0, 0, 0, 0, 0, 0, 0])
    status, body, _ = page.send("POST", "/api/select", bits)
    assert status == 200
    name = json.loads(body)["selection"]
    rows = page.ask("rows", filter={"selection": name})["rows"]
    assert [row["row"] for row in rows] == [1, 3]


def test_only_rows_drawn_at_random_and_looked_at_say_how_right_the_set_is(page) -> None:
    queue = {"queue": "random_kept"}
    rows = [row["row"] for row in page.ask("rows", filter=queue)["rows"]]
    page.tell("decide", row=rows[0], decision="drop", filter=queue)
    for row in rows[1:4]:
        page.tell("decide", row=row, decision="keep", filter=queue)
    page.tell("decide", row=rows[5], decision="drop")  # met elsewhere, which is no random draw
    found = page.ask("state")["estimates"]["random_kept"]
    assert (found["part"], found["seen"]) == (3, 4)
    assert 0.3 < found["low"] < 0.75 < found["high"] < 1
    total = page.ask("rows", filter=queue)["total"]
    page.tell("decide", filter=queue, rows=total, decision="keep")
    assert "random_kept" not in page.ask("state")["estimates"]


def test_two_servers_see_each_other(recipe, serve) -> None:
    mara = serve(open_review(recipe, by="mara"))
    otto = serve(open_review(recipe, by="otto"))
    mara.tell("decide", row=1, decision="drop")
    assert otto.ask("state")["decided"] == 1
    otto.tell("decide", row=1, decision="keep")
    state = mara.ask("state")
    assert {"name": "disputed", "rows": 1}.items() <= next(
        {"name": queue["name"], "rows": queue["rows"]}.items()
        for queue in state["queues"] if queue["name"] == "disputed"
    )  # fmt: skip
    assert [one["by"] for one in mara.ask("row", row="1")["said"]] == ["mara", "otto"]
    assert otto.tell("undo")["undone"] == [1]
    assert mara.ask("row", row="1")["decision"]["decision"] == "drop"


def test_a_busy_port_is_refused_where_it_was_named(session, page) -> None:
    with pytest.raises(OutputError, match="give another one with  --port N"):
        open_server(session, page.server.server_port)


def test_the_served_index_tells_how_to_review(recipe) -> None:
    catalog = read_catalog(recipe.parent / "out")
    catalog = replace(catalog, recipe=str(recipe))
    assert f"siftset review {recipe}" in index_page(catalog, live=True)
    # the page on disk may be read on another machine
    assert "siftset review" not in index_page(catalog)
    moved = read_catalog(recipe.parent / "out").recipe
    assert moved == "" or moved.endswith("recipe.yaml")


def test_too_many_rows_are_a_rule_and_no_decision(page, monkeypatch) -> None:
    monkeypatch.setattr("siftset.pipeline.review.session.BULK", 10)
    asked = {"facets": {"origin": ["shop"]}}
    body = json.dumps({"filter": asked, "rows": 20, "decision": "drop"})
    status, said, _ = page.send("POST", "/api/decide", body)
    assert (status, _decisions(page)) == (400, [])
    assert "write a rule into the recipe" in json.loads(said)["error"]


CHAT = """
name: chat
output: out
source:
  files: {paths: [rows.parquet], label: stars, messages: turns}
signals: {some: {length: {min: 1}}}
keep: some
review: {}
"""


def test_what_no_run_could_apply_is_no_decision(tmp_path, serve) -> None:
    turns = [
        [{"role": "user", "content": word}, {"role": "assistant", "content": "Yes."}]
        for word in ("Hello", "Is it good?", "What else?")
    ]
    pl.DataFrame({"turns": turns, "stars": [1, 2, 5]}).write_parquet(tmp_path / "rows.parquet")
    path = tmp_path / "recipe.yaml"
    path.write_text(CHAT, encoding="utf-8")
    curate(path)
    page = serve(open_review(path, by="mara"))
    assert page.ask("state")["edits"] is False
    assert page.ask("state")["labels"] == ["1", "2", "5"]
    for change in ({"decision": "edit", "text": "x"}, {"decision": "relabel", "label": "many"}):
        status, _, _ = page.send("POST", "/api/decide", json.dumps({"row": 0, **change}))
        assert status == 400
    page.tell("decide", row=0, decision="relabel", label="4")
    curate(path)
    labels = pl.read_delta(str(tmp_path / "out" / "set"))["label"].sort().to_list()
    assert labels == [2, 4, 5]


def test_the_command_serves_until_it_is_ended(recipe, run, monkeypatch) -> None:
    met = []

    def look_once(server) -> None:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        met.append(server.session.hand.by)
        address, _, key = server.address.partition("#")
        link = urllib.request.Request(f"{address}api/state", headers={KEY: key})
        with urllib.request.urlopen(link, timeout=60) as answer:
            met.append(json.load(answer)["name"])
        server.shutdown()
        server.server_close()

    monkeypatch.setattr("siftset.pipeline.review.server.serve_review", look_once)
    done = run("review", recipe, "--port", 0, "--by", "otto")
    assert done.exit_code == 0
    assert met == ["otto", "opinions"]
    assert re.search(r"http://127\.0\.0\.1:\d+/#\S{32}", done.stdout)
    assert "otto.jsonl" in done.stderr
