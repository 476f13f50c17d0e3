"""Shapes of data that init tells apart, from small files and from the cases beside the checkout."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

CASES = Path(__file__).parents[4] / "shared" / "cases" / "shapes"
WORKBOOKS = Path(__file__).parents[1] / "sources" / "formats" / "test_excel.py"
FILES = {
    "01_openai": "chat.jsonl", "02_sharegpt": "shared.json", "03_alpaca": "alpaca.json",
    "04_preference": "pairs.jsonl", "05_headerless": "tweets.csv",
    "06_semicolon_cp1252": "umfrage.csv", "08_hive": "reviews",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_case_is_told_as_it_expects(name, tmp_path, run, told):
    if not (CASES / name).is_dir():
        pytest.skip("the cases are not beside this checkout")
    shutil.copytree(CASES / name, tmp_path / "case")
    expected = json.loads((tmp_path / "case" / "expect.json").read_text("utf-8"))["init"]
    found = told("init", tmp_path / "new", "--from", tmp_path / "case" / FILES[name])
    flat = found["dialect"] | found["columns"] | {k: found[k] for k in ("shape", "confidence")}
    flat |= {"because": found["because"], "columns": found["names"]}
    flat["partitions"] = "hive" if found["partitions"] else "none"
    said = expected.pop("said", None)
    assert {key: flat[key] for key in expected} == expected
    files = yaml.safe_load((tmp_path / "new" / "recipe.yaml").read_text("utf-8"))["source"]["files"]
    assert files["paths"] == [f"../case/{FILES[name]}"]
    shown = run("init", tmp_path / "other", "--from", tmp_path / "case" / FILES[name]).stdout
    assert said is None or said in shown
    assert run("check", tmp_path / "new" / "recipe.yaml").exit_code == 0


TEXTS = [f"The lamp of order {n} works well and we love it." for n in range(30)]


def rows(**columns: Any) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


TALK = [{"role": "user", "content": "Is it new?"}, {"role": "assistant", "content": "It is."}]
TELL = [{"from": "human", "value": "Is it new?"}, {"from": "gpt", "value": "It is."}]
SHAPES = [
    ("openai chat", rows(dialogue=[TALK] * 3, id=["a", "b", "c"]),
     {"messages": "dialogue", "id": "id"}),
    ("openai chat", rows(prompt=[TALK[:1]] * 3, completion=[TALK[1:]] * 3),
     {"messages": ["prompt", "completion"]}),
    ("sharegpt", rows(conversations=[TELL] * 3),
     {"messages": {"column": "conversations", "role": "from", "content": "value"}}),
    ("preference pairs", rows(chosen=[TALK] * 3, rejected=[TALK[:1]] * 3), {"messages": "chosen"}),
    ("preference pairs", rows(prompt=TEXTS[:3], chosen=TEXTS[3:6], rejected=TEXTS[6:9]),
     {"messages": ["prompt", "chosen"]}),
    ("prompt and completion", rows(prompt=TEXTS[:3], completion=TEXTS[3:6]),
     {"messages": {"user": "prompt", "assistant": "completion"}}),
    ("alpaca", rows(instruction=TEXTS[:3], output=TEXTS[3:6], system=["Be kind."] * 3),
     {"messages": {"user": "instruction", "assistant": "output", "system": "system"}}),
    ("pages of a crawl",
     rows(text=TEXTS[:3], warc_headers=[{"warc-record-id": f"u{n}"} for n in range(3)]),
     {"text": "text", "id": 'warc_headers.warc-record-id'}),
    ("table of texts",
     rows(_id=[{"$oid": f"{n}"} for n in range(3)],
          doc=[{"body": text, "tags": {"by": "ann"}} for text in TEXTS[:3]]),
     {"text": "doc.body", "id": "_id"}),
    ("table of messages",
     rows(ticket_id=[1, 1, 2, 2], sender=["a", "b"] * 2, at=["2024-05-01"] * 4, body=TEXTS[:4]),
     {"text": "body"}),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "records", "columns"), SHAPES)
def test_records_have_a_shape(shape, records, columns, tmp_path, told):
    text = "".join(json.dumps(one) + "\n" for one in records)
    (tmp_path / "a.jsonl").write_text(text, "utf-8")
    found = told("init", tmp_path / "new", "--from", tmp_path / "a.jsonl")
    assert found["shape"] == shape
    assert {k: v for k, v in found["columns"].items() if v is not None} == columns
    told("check", tmp_path / "new" / "recipe.yaml")


def test_two_pairs_are_a_guess_that_names_both(tmp_path, run):
    records = rows(question=TEXTS[:3], answer=TEXTS[3:6], prompt=TEXTS[6:9], response=TEXTS[9:12])
    pl.DataFrame(records).write_csv(tmp_path / "a.csv")
    shown = run("init", tmp_path / "new", "--from", tmp_path / "a.csv").stdout
    assert "shape     prompt and response     guess" in shown
    assert "question and answer are a pair too: name that one instead" in shown
    assert "a pair too" in (tmp_path / "new" / "recipe.yaml").read_text("utf-8")


def test_columns_of_parquet_nest_by_type(tmp_path, told):
    pl.DataFrame({"messages": [TALK] * 4, "n": range(4)}).write_parquet(tmp_path / "a.parquet")
    found = told("init", tmp_path / "new", "--from", tmp_path / "a.parquet")
    assert (found["shape"], found["columns"]["messages"]) == ("openai chat", "messages")
    assert told("curate", tmp_path / "new" / "recipe.yaml")["rows"]["read"] == 4


def test_a_spreadsheet_of_several_sheets_is_read_from_the_fullest(tmp_path, told):
    pytest.importorskip("fastexcel")
    spec = importlib.util.spec_from_file_location("_workbooks", WORKBOOKS)
    workbooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(workbooks)
    table = [["Nr", "Comment", "Rating"], *([n, text, n % 5] for n, text in enumerate(TEXTS))]
    sheets = {"notes": [["made in May"]], "data": [["Customer report"], [], *table]}
    workbooks.write_workbook(tmp_path / "report.xlsx", sheets)
    found = told("init", tmp_path / "new", "--from", tmp_path / "report.xlsx")
    assert (found["columns"]["text"], found["columns"]["label"]) == ("Comment", "Rating")
    assert found["confidence"] == "guess"
    recipe = (tmp_path / "new" / "recipe.yaml").read_text("utf-8")
    assert "sheet: data" in recipe
    assert "# guess: 2 sheets hold rows (notes, data)" in recipe
    assert told("curate", tmp_path / "new" / "recipe.yaml")["rows"]["read"] == 30


def test_a_saved_dataset_keeps_its_splits(tmp_path, told):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    made = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1] * 15}, features=features)
    datasets.DatasetDict({"train": made, "test": made.select(range(5))}).save_to_disk(
        tmp_path / "d"
    )
    found = told("init", tmp_path / "new", "--from", tmp_path / "d")
    assert found["columns"] == {"text": "text", "label": "label", "id": None}
    recipe = yaml.safe_load((tmp_path / "new" / "recipe.yaml").read_text("utf-8"))
    assert recipe["split"] == {"column": "dataset_split"}
    assert recipe["source"]["files"]["paths"] == ["../d"]


REFUSED = [
    ("a.warc.gz", gzip.compress(b"WARC/1.0\r\nWARC-Type: response\r\n", mtime=0),
     "this is a WARC file: convert to JSONL first"),
    ("a.db", b"SQLite format 3\0" + b"\0" * 90, "this is a SQLite database: export the table"),
    ("a.xml", b"<?xml version='1.0'?><a/>", "this is XML: convert to JSONL first"),
    ("a.pdf", b"%PDF-1.7\n", "this is a PDF: extract its text"),
    ("a.bin", b"\x00\x01\x02\x03" * 99, "holds bytes that are no text"),
    ("a.zip", b"PK\x03\x04" + b"\0" * 90, "this is an archive or a spreadsheet"),
    ("a.csv", b"", "the file is empty"),
    ("a.csv", b"id,text\r1,a\r2,b\r", "lines end with carriage returns alone"),
    ("a.csv", b"\n\n", "the file is empty"),
    ("a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0),
     "this is gzip without the ending .gz: rename it"),
    ("a.json", b'{"data": [{"text": "a"}], "version": 1}',
     "one JSON object with 'data', 'version': write 'data', a list, as the file"),
    ("a.json", b'{\n"text": "a"', "a JSON object over several lines"),
    ("a.csv", b"n,m\n1,2\n", "no column holds text"),
    ("d/notes.md", b"a", "d: no file of a known format there"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), REFUSED)
def test_what_holds_nothing_usable_is_one_line(name, content, message, tmp_path, run):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    data = tmp_path / name.split("/")[0]
    done = run("init", tmp_path / "new", "--from", data)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_what_cannot_run_leaves_nothing_behind(tmp_path, run):
    (tmp_path / "d").mkdir()
    pl.DataFrame({"text": TEXTS, "n": range(30)}).write_parquet(tmp_path / "d" / "a.parquet")
    pl.DataFrame({"text": TEXTS, "n": TEXTS}).write_parquet(tmp_path / "d" / "b.parquet")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine", "utf-8")
    for folder in ("new", "other"):
        done = run("init", tmp_path / folder, "--from", tmp_path / "d")
        assert done.exit_code == 2
        assert "column 'n': " in done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "other").exists()
