"""Records that cannot be read cost themselves only; streams that cannot be read stop the run."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pydantic import ValidationError

from siftset.pipeline.sources import Sources
from siftset.pipeline.sources.formats import streams
from siftset.schemas.errors import SourceError

Open = Callable[..., Sources]
rows = Sources.frame


def unreadable(sources: Sources) -> pl.DataFrame:
    """Return all unreadable records, in order."""
    return pl.concat([batch.unreadable for batch in sources.read_batches()])


BAD = [
    # file, content, texts read, (record, reason) of the unreadable ones
    ("a.csv", b"text,n\na,1\nb\nc,3,4\nd,4\n", ["a", "d"], [(1, "1 fields"), (2, "3 fields")]),
    ("a.csv", b"text,n\na,1\n\xff\xfe,2\nc,3\n", ["a", "c"], [(1, "not valid UTF-8")]),
    ("a.csv", b"text,n\na,1\nb\0,2\nc,3\n", ["a", "c"], [(1, "NUL")]),
    ("a.csv", b'text,n\na,1\n"b,2\nc,3\n', ["a", "c"], [(1, "a quote is not closed")]),
    ("a.csv", b'text,n\na,1\n"b"x,2\nc,3\n', ["a", "c"], [(1, "a quote is not closed")]),
    ("a.csv", b'text,n\n5" screen,1\nb,2\n', ['5" screen', "b"], []),
    ("a.csv", b'text,n\n"a ""q""\nb",1\r\nc,2\r\n', ['a "q"\nb', "c"], []),
    ("a.csv", b"\xef\xbb\xbftext,n\r\na,1\r\n\r\nb,2", ["a", "b"], []),
    ("a.csv", b"text,n\na\rb,1\nc,2\n", ["a\rb", "c"], []),
    ("a.csv", b'text,n\na\r"b,1\nc\nd,2\n', ['a\r"b', "d"], [(1, "1 fields")]),
    ("a.csv", b'text\n""\n\nb\n', ["", None, "b"], []),
    ("a.csv", b"text,n\n" + b"x" * 99 + b",1\nb,2\n", ["b"], [(0, "longer than 64 bytes")]),
    ("a.csv", b"text,n\n" + b'"' + b"x" * 99 + b'",1\nb,2\n', ["b"], [(0, "longer than")]),
    ("a.tsv", b"text\tn\na,b\t1\n", ["a,b"], []),
    ("a.jsonl", b'{"text":"a"}\n{"text":\n{"text":"c"}\n', ["a", "c"], [(1, "broken JSON")]),
    ("a.jsonl", b'{"text":"a"}\n[1]\n3\n', ["a"], [(1, "expected an object"), (2, "an object")]),
    ("a.jsonl", b'{"text":"a"}{"text":"b"}\n', [], [(0, "broken JSON: Extra data")]),
    ("a.jsonl", b'{"text":"\xff"}\n{"text":"b"}\n', ["b"], [(0, "not valid UTF-8")]),
    ("a.jsonl", b'{"text":"a\0"}\n{"text":"b"}\n', ["b"], [(0, "NUL")]),
    ("a.jsonl", b'{"text":"\\ud800"}\n{"text":"b"}\n', ["b"], [(0, "broken JSON")]),
    ("a.jsonl", b'{"text":"' + b"x" * 99 + b'"}\n{"text":"b"}', ["b"], [(0, "longer than")]),
    ("a.jsonl", b'\xef\xbb\xbf{"text":"a"}\r\n\r\n{"text":"b"}\r\n', ["a", "b"], []),
    ("a.jsonl", b"[" * 60 + b'\n{"text":"b"}\n', ["b"], [(0, "broken JSON")]),
    (
        "a.json",
        b'[{"text":"a"},\n {"text":\n"b"}, 3, {"text":"\xff"}]\n',
        ["a", "b"],
        [(2, "int"), (3, "UTF-8")],
    ),
    ("a.txt", b"a\n\nb\xff\nc\r\nd", ["a", "", "c", "d"], [(2, "UTF-8")]),
]


@pytest.mark.parametrize("block", [3, 7, 4 * 2**20])
@pytest.mark.parametrize(("name", "content", "texts", "bad"), BAD)
def test_bad_records_are_set_aside(name, content, texts, bad, block, opened, tmp_path, monkeypatch):
    monkeypatch.setattr(streams.read_blocks, "__kwdefaults__", {"size": block})
    monkeypatch.setattr(streams.text_blocks, "__kwdefaults__", {"size": block})
    (tmp_path / name).write_bytes(content)
    extra = b"text\nz\n" if name.endswith("csv") else b'[{"text":"z"}]'
    if not texts:
        (tmp_path / "z.json").write_bytes(extra)
    sources = opened(*([name] if texts else [name, "z.json"]), max_record_bytes=64)
    assert [t for t in rows(sources)["text"].to_list() if t != "z"] == texts
    found = unreadable(sources)
    assert [r["record"] for r in found["source"]] == [record for record, _ in bad]
    for reason, (_, expected) in zip(found["reason"], bad, strict=True):
        assert expected in reason
    assert sources.records == rows(sources).height + found.height
    assert set(found["source"].struct.field("file")) <= {name}


def test_an_unreadable_record_names_its_byte(opened: Open, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text":"a"}\n{broken}\n')
    found = unreadable(opened("a.jsonl")).row(0, named=True)
    assert found["position"] == 3 + len(b'{"text":"a"}\n')
    assert found["raw"] == "{broken}"
    assert len(found["row_id"]) == 32


def test_a_line_of_50_mb_is_read_or_set_aside(opened: Open, tmp_path: Path):
    line = b'{"text":"' + b"x" * 50_000_000 + b'"}\n'
    (tmp_path / "a.jsonl").write_bytes(line + b'{"text":"b"}\n')
    sources = opened("a.jsonl")
    assert rows(sources)["text"].to_list() == ["b"]
    bad = unreadable(sources).row(0, named=True)
    assert bad["position"] == 0
    assert "longer than 16,777,216 bytes" in bad["reason"]
    assert len(bad["raw"]) == 1_000
    longer = opened("a.jsonl", max_record_bytes=60_000_000)
    assert rows(longer)["text"].str.len_bytes().to_list() == [50_000_000, 1]


def test_bytes_after_a_dropped_line_keep_their_position(opened: Open, tmp_path: Path):
    content = b'{"text":"' + b"x" * 9_000_000 + b'"}\n{"text":"b"}\n{broken\n'
    (tmp_path / "a.jsonl").write_bytes(content)
    found = unreadable(opened("a.jsonl", max_record_bytes=1_000))
    assert found["position"].to_list() == [0, content.index(b"{broken")]


def test_parquet_text_that_is_not_utf8_is_set_aside(opened: Open, tmp_path: Path):
    wrong = pa.array([b"a", b"\xff", b"c"], pa.binary()).cast(pa.string(), safe=False)
    table = pa.table({"text": wrong, "n": [1, 2, 3]})
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as w,
    ):
        w.write_table(table)
    sources = opened("a.arrow")
    assert rows(sources)["text"].to_list() == ["a", "c"]
    assert unreadable(sources)["reason"].to_list() == ["column 'text' is not valid UTF-8"]


def test_a_null_id_is_unreadable(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a", "b"], "n": [1, None]}).write_parquet(tmp_path / "a.parquet")
    sources = opened("a.parquet", id="n")
    assert rows(sources)["text"].to_list() == ["a"]
    bad = unreadable(sources).row(0, named=True)
    assert bad["reason"] == "column 'n', the id, is null"
    assert '"text":"b"' in bad["raw"]
    assert bad["source"] == {"file": "a.parquet", "record": 1}


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"text": ["a"] * 1_000}).write_parquet(buffer)
    return buffer.getvalue()


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


TEXT = b"text\n" + bytes(range(97, 120)) * 1_000
STREAMS = [
    # files, message
    ({"a.csv.gz": gzip.compress(TEXT)[:-20]}, "a.csv.gz: cannot be read after byte"),
    (
        {"a.csv.gz": gzip.compress(TEXT)[:40] + b"xxxxxxxx" + gzip.compress(TEXT)[48:]},
        "expected a whole csv (gzip)",
    ),
    ({"a.csv.gz": b"text\na\n"}, "Not a gzipped file"),
    ({"a.csv.zst": _zstd(TEXT)[:-9]}, "a.csv.zst: cannot be read after byte"),
    ({"a.csv.zst": b"text\na\n"}, "a.csv.zst: cannot be read"),
    ({"a.parquet": _parquet()[:-30]}, "a.parquet: cannot be read at its footer"),
    ({"a.parquet": b"text\na\n"}, "a.parquet: cannot be read at its footer"),
    ({"a.arrow": b"text\na\n"}, "a.arrow: cannot be read"),
    ({"a.csv": b""}, "the file is empty (0 bytes), and so is the source"),
    ({"a.csv": b"\n\na,b\n"}, "no header; expected column names on line 1"),
    ({"a.csv": b"text,text\na,b\n"}, "names column 'text' twice"),
    ({"a.csv": b"body,n\na,b\n"}, "no column 'text' (text); it has body, n"),
    ({"a.csv": b'"text,n\na,1\n'}, "no header"),
    ({"a.csv": "text,n\na,1\n".encode("utf-16")}, "UTF-16 text; expected UTF-8"),
    ({"a.jsonl": b"{}\n{}\n"}, "no column there"),
    ({"a.json": b'{"text":"a"}'}, "expected [ and an array of objects"),
    ({"a.json": b'[{"text":"a"}'}, "not a JSON array at character"),
    ({"a.json": b'[{"text":"a"} {"text":"b"}]'}, "expected a comma or ] after an element"),
    ({"a.json": b'[{"text":"a"}] x'}, "expected ] and then the end of the file"),
    ({"a.xyz": b"text\n"}, "the ending names no format; expected one of .csv"),
]


@pytest.mark.parametrize(("files", "message"), STREAMS)
def test_bad_streams_are_errors_that_name_the_file(files, message, opened, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as raised:
        opened(*files)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_parquet_file_that_is_corrupt_inside_is_an_error_while_reading(opened, tmp_path):
    data = bytearray(_parquet())
    data[8:40] = b"\xff" * 32
    (tmp_path / "a.parquet").write_bytes(data)
    sources = opened("a.parquet")
    with pytest.raises(SourceError, match=r"a.parquet: cannot be read after record 0"):
        rows(sources)


MISSING = [
    (["ftp://host/a.csv"], "no store is known by 'ftp://'"),
    (["nope.csv"], "nope.csv: no such file or folder"),
    (["*.csv"], "no file matches"),
    (["empty"], "the folder holds no files"),
    (["table"], "this is a Delta table"),
    (["readme"], "no file of a known format there"),
]


@pytest.mark.parametrize(("paths", "message"), MISSING)
def test_nothing_found_is_an_error(paths, message, opened, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "readme").mkdir()
    (tmp_path / "readme/README").write_text("x")
    pl.DataFrame({"text": ["a"]}).write_delta(str(tmp_path / "table"))
    with pytest.raises(SourceError, match=message):
        opened(*paths)


def test_an_empty_file_among_others_is_a_warning(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(b"text\nx\n")
    sources = opened("*.csv")
    assert rows(sources)["text"].to_list() == ["x"]
    assert sources.warnings == (f"{tmp_path / 'a.csv'}: the file is empty (0 bytes)",)


def test_declared_types_that_conflict_name_both_files(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": ["a"], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"text": ["a"], "n": ["x"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"column 'n': .*a.parquet holds Int64 but .*b.parquet"):
        opened("a.parquet", "b.parquet")


def test_text_must_be_text(opened: Open, tmp_path: Path):
    pl.DataFrame({"text": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"column 'text' holds Int64; expected text"):
        opened("a.parquet")


@pytest.mark.parametrize("delimiter", ["", ";;", "\n", "\u20ac"])
def test_a_delimiter_is_one_ascii_character(delimiter, opened, tmp_path):
    (tmp_path / "a.csv").write_text("text;n\na;1\n")
    if delimiter:
        with pytest.raises(ValidationError, match="is not one ASCII character"):
            opened("a.csv", delimiter=delimiter)
    assert rows(opened("a.csv", delimiter=";"))["n"].to_list() == [1]
