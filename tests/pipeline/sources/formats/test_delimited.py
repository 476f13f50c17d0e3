"""How delimited text is written: every key of a recipe, and the lines where one does not fit."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from siftset.pipeline.sources import Sources
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.delimited import Delimited
from siftset.pipeline.sources.formats.quotes import Grammar
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.delimited import DelimitedText

READ = [
    (
        "no header",
        b'1,"so glad, it flies"\n2,\n',
        {"header": False, "columns": ["n", "text"]},
        [(1, "so glad, it flies"), (2, None)],
    ),
    (
        "no header and no names",
        b"7,a\n8,b\n",
        {"header": False, "text": "column_2"},
        [(7, "a"), (8, "b")],
    ),
    (
        "other names",
        b"x,y\n1,a\n",
        {"columns": ["n", "text"]},
        [(1, "a")],
    ),
    ("tab", b"n\ttext\n1\ta,b\n", {"delimiter": "tab"}, [(1, "a,b")]),
    (
        "quotes are text",
        b'n,text\n1,"nice shoes\n2,the end"\n',
        {"quote": "none"},
        [(1, '"nice shoes'), (2, 'the end"')],
    ),
    (
        "single quotes",
        b"n,text\n1,'it''s, \"so\"\nfar'\n2,it's\n",
        {"quote": "'"},
        [(1, 'it\'s, "so"\nfar'), (2, "it's")],
    ),
    (
        "escaped quotes",
        b'n,text\n1,"a \\"b\\", \\\\ \\x\n""c"""\n2,"plain"\n3,C:\\x\n',
        {"escape": "\\"},
        [(1, 'a "b", \\ x\n"c"'), (2, "plain"), (3, "C:\\x")],
    ),
    (
        "an escape that is the quote",
        b'n,text\n1,"a ""b"""\n',
        {"escape": '"'},
        [(1, 'a "b"')],
    ),
    (
        "a dump of PostgreSQL",
        b"n\ttext\n1\ta\\tb\\nc\\\\d\\x\n2\t\\N\n3\t\n4\t\"x\n",
        {"delimiter": "tab", "quote": "none", "escape": "\\", "null_values": ["\\N"]},
        [(1, "a\tb\nc\\dx"), (2, None), (3, ""), (4, '"x')],
    ),
    (
        "a dump of MySQL",
        b"n\ttext\n1\ta\\\tb\\\nc\n2\tC:\\\\\n3\td\\\\\te\n4\tf\n",
        {"delimiter": "tab", "quote": "none", "escape": "\\"},
        [(1, "a\tb\nc"), (2, "C:\\"), (4, "f")],
    ),
    (
        "lines before the header",
        b"sep=,\nA title, of two parts\nn,text\n1,a\n",
        {"skip_lines": 2},
        [(1, "a")],
    ),
    (
        "remarks",
        b"# made by hand, 5\" wide\n\nn,text\n# n\n1,\"a\n# b\"\n#2,c\n3,d\n",
        {"comment": "#"},
        [(1, "a\n# b"), (3, "d")],
    ),
    (
        "null values",
        b'n,text\n1,n/a\n2,"n/a"\n3,\n4,-\n',
        {"null_values": ["", "n/a", "-"]},
        [(1, None), (2, "n/a"), (3, None), (4, None)],
    ),
    (
        "an empty field that is no null",
        b"n,text\n1,\n",
        {"null_values": ["NULL"]},
        [(1, "")],
    ),
    (
        "Windows",
        "n;text\r\n1;Größe passt \u2013 \u20ac\r\n".encode("cp1252"),
        {"delimiter": ";", "encoding": "cp1252"},
        [(1, "Größe passt \u2013 \u20ac")],
    ),
    ("UTF-16", "n\ttext\r\n1\tGröße\r\n".encode("utf-16"),
     {"delimiter": "tab", "encoding": "utf-16"}, [(1, "Größe")]),
    ("Japanese", "n,text\n1,日本語\n".encode("shift_jis"), {"encoding": "shift_jis"},
     [(1, "日本語")]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "keys", "found"), [r[1:] for r in READ],
                         ids=[r[0] for r in READ])  # fmt: skip
def test_a_file_is_read_as_its_keys_say(content, keys, found, opened, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    sources = opened("a.csv", **keys)
    frame = sources.frame()
    rest = [name for name in frame.columns if name not in ("row_id", "source", "text")]
    good = frame.select(*rest, "text").rows()
    assert good == found


def read_all(path: Path, text: DelimitedText, *, block: int, exact: bool) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "siftset.pipeline.sources.formats.streams.text_blocks.__kwdefaults__", {"size": block}
        )
        if exact:
            patch.setattr(Grammar, "_is_regular", lambda *_: False)
            patch.setattr(Delimited, "_parse_fast", lambda *_: None)
        reader = Delimited(InputFile(path, "a.csv", "a", "csv", None), text, 1_000)
        blocks = list(reader.read_records())
    rows = [
        (number, *row)
        for one in blocks
        for number, row in zip(one.records, one.frame.rows(), strict=True)
    ]
    return [rows, [(bad.record, bad.position, bad.reason) for one in blocks for bad in one.bad]]


GRAMMARS = [
    {"quote": "none"},
    {"quote": "none", "escape": "\\", "null_values": ["\\N"]},
    {"escape": "\\"},
    {"quote": "'", "comment": "#"},
    {"header": False, "comment": "#"},
    {"skip_lines": 2, "escape": "\\"},
]


@settings(max_examples=150)
@given(
    st.text("ab,\"'\n\r\\#N ", max_size=40).map(lambda text: f"x,y\n{text}".encode()),
    st.sampled_from(GRAMMARS),
    st.integers(1, 9),
)
def test_blocks_and_the_exact_way_change_nothing(tmp_path_factory, content, keys, block):
    path = tmp_path_factory.getbasetemp() / "laws.csv"
    path.write_bytes(content)
    text = DelimitedText.model_validate({"columns": ["x", "y"]} | keys)
    try:
        whole = read_all(path, text, block=1_000, exact=False)
    except SourceError:
        return
    assert read_all(path, text, block=1_000, exact=True) == whole
    assert read_all(path, text, block=block, exact=False) == whole


fields = st.text("ab,\"'\\\t\n é", max_size=4)


@settings(max_examples=100)
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=8), st.sampled_from("\"'"))
def test_what_the_csv_module_escapes_is_read_back(tmp_path_factory, records, quote):
    text = io.StringIO()
    csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL, quotechar=quote, escapechar="\\",
        doublequote=False,
    ).writerows([("x", "y"), *records])  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "escaped.csv"
    path.write_text(text.getvalue(), "utf-8")
    keys = DelimitedText(quote=quote, escape="\\")
    rows, bad = read_all(path, keys, block=11, exact=False)
    assert [row[1:] for row in rows] == records
    assert not bad


def test_given_types_win_and_what_does_not_fit_is_unreadable(opened: object, tmp_path: Path):
    (tmp_path / "a.csv").write_text(
        "text,zip,price,seen,at,ok\n"
        "a,007,1,2024-02-29,2024-02-29 10:00:00,t\n"
        "b,8,2.5,2024-03-01,2024-03-01T10:00:00.5+02:00,False\n"
        "c,9,3,2024-03-02,2024-03-02,\n"
        'd,9,"9,99",2024-03-02,,\n'
        "e,9,4,2024-02-30,,\n",
        "utf-8",
    )
    dtypes = {"zip": "string", "price": "number", "seen": "date", "at": "datetime",
              "ok": "boolean"}  # fmt: skip
    sources: Sources = opened("a.csv", dtypes=dtypes)  # type: ignore[operator]
    assert dict(sources.schema) == {
        "text": pl.String, "zip": pl.String, "price": pl.Float64, "seen": pl.Date,
        "at": pl.Datetime("us"), "ok": pl.Boolean,
    }  # fmt: skip
    assert sources.frame().drop("row_id", "source").rows() == [
        ("a", "007", 1.0, date(2024, 2, 29), datetime(2024, 2, 29, 10), True),
        ("b", "8", 2.5, date(2024, 3, 1), datetime(2024, 3, 1, 8, 0, 0, 500_000), False),
        ("c", "9", 3.0, date(2024, 3, 2), datetime(2024, 3, 2), None),
    ]
    told = pl.concat(batch.unreadable for batch in sources.read_batches())
    assert told["reason"].to_list() == [
        "column 'price' holds '9,99', which is no number",
        "column 'seen' holds '2024-02-30', which is no date",
    ]


def test_types_leave_row_ids_alone(opened, tmp_path):
    (tmp_path / "a.csv").write_text("text,n\na,7\nb,8\n")
    plain = opened("a.csv").frame()["row_id"]
    for dtype in ("string", "integer", "number"):
        assert opened("a.csv", dtypes={"n": dtype}).frame()["row_id"].equals(plain)


def test_a_position_counts_skipped_lines_and_is_unknown_where_text_was_decoded(opened, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"sep=,\ntext,n\na,1\nb\n")
    told = pl.concat(b.unreadable for b in opened("a.csv", skip_lines=1).read_batches())
    assert told["position"].to_list() == [17]
    assert told["reason"].to_list() == ["1 fields where the header has 2"]
    (tmp_path / "b.csv").write_bytes(b"text,n\na,1\nb\x81,2\nc\n")
    told = pl.concat(b.unreadable for b in opened("b.csv", encoding="cp1252").read_batches())
    assert told["position"].to_list() == [None, None]
    assert told["reason"].to_list() == ["not valid cp1252", "1 fields where the header has 2"]


CP1252 = "not UTF-8 (byte 0xF6 in line 2): set source.files.encoding, such as cp1252, which reads"
REFUSED = [
    ("a.csv", "text\nGröße\n".encode("cp1252"), {}, f"a.csv: {CP1252} it as 'Größe'"),
    ("a.csv", "Größe,n\na,1\n".encode("cp1252"), {}, "(byte 0xF6 in line 1)"),
    ("a.jsonl", '\n{"text": "schön"}\n'.encode("cp1252"), {}, f"{CP1252} it as 'schön'"),
    ("a.txt", "ja\nschön\n".encode("cp1252"), {}, f"{CP1252} it as 'schön'"),
    ("a.csv", b"text\na\x81\n", {}, "set source.files.encoding to what the file was written in"),
    ("a.csv", b"text\na\x81\n", {"encoding": "cp1252"},
     "not cp1252 (byte 0x81 in line 2): set source.files.encoding, such as latin-1"),
    ("a.csv", "text\na\n".encode("utf-16"), {}, "set source.files.encoding: utf-16"),
    ("a.csv", "text\na\n".encode("utf-8-sig"), {"encoding": "cp1252"},
     "begins as utf-8 text does, and source.files.encoding says cp1252: set utf-8"),
    ("a.csv", b"text\na\n", {"encoding": "utf-16"},
     "no byte order mark at its beginning, and utf-16 needs one: set source.files.encoding to"),
    ("a.csv", b"text,n\na,1\n", {"columns": ["text"]},
     "the header has 2 names and source.files.columns 1: name every column"),
    ("a.csv", b"text,n\na,1\n", {"dtypes": {"m": "string"}},
     "source.files.dtypes: no column 'm' in"),
    ("a.csv", b"sep=,\n\ntext,n\n", {"skip_lines": 1},
     "no header; expected column names on line 2"),
    ("a.csv", b"text,n\n", {"skip_lines": 9}, "no column there"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "keys", "message"), REFUSED)
def test_what_does_not_fit_a_file_is_one_line(name, content, keys, message, opened, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as raised:
        opened(name, unreadable=0.01, **keys)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_few_records_of_another_encoding_are_unreadable_and_no_more(opened, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text\n" + b"a\n" * 200 + b"\xf6\n")
    sources = opened("a.csv", unreadable=0.01)
    assert (sources.records, sources.frame().height) == (201, 200)
    (tmp_path / "b.csv").write_bytes(b"text\n" + b"\xf6\n" * 2)
    with pytest.raises(SourceError, match=r"b.csv: not UTF-8 \(byte 0xF6 in line 2\)"):
        opened("a.csv", "b.csv", unreadable=0.01)
    assert opened("a.csv", "b.csv", unreadable=0.02).records == 203


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
@pytest.mark.parametrize(
    "keys",
    [{"quote": "none"}, {"header": True}, {"columns": ["a"]}, {"null_values": [""]},
     {"skip_lines": 0}, {"comment": "#"}, {"escape": "\\"}],
)  # fmt: skip
def test_keys_of_delimited_text_are_refused_for_others(name, keys, opened, tmp_path):
    frame = pl.DataFrame({"text": ["a"]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    (key,) = keys
    with pytest.raises(RecipeError) as raised:
        opened(name, **keys)
    said = str(raised.value)
    assert said.startswith(f"source.files.{key}: is for csv and tsv, and ")
    assert f"{name} is {name[2:]}: remove the key" in said


KEYS = [
    ({"delimiter": ";;"}, "';;' is not one ASCII character"),
    ({"delimiter": "\\t"}, "is not one ASCII character; write tab"),
    ({"delimiter": '"'}, "delimiter and quote are both '\"': change one"),
    ({"quote": "''"}, "is not one ASCII character"),
    ({"quote": "\u201c"}, "is not one ASCII character"),
    ({"escape": ""}, "is not one ASCII character"),
    ({"escape": ","}, None),
    ({"escape": ",", "delimiter": ","}, "delimiter and escape are both ','"),
    ({"encoding": "utf-9"}, "'utf-9' names no encoding of text"),
    ({"encoding": "base64"}, "'base64' names no encoding of text"),
    ({"encoding": "undefined"}, "'undefined' names no encoding of text"),
    ({"columns": ["a", "a"]}, "columns names 'a' twice"),
    ({"columns": []}, "at least 1 item"),
    ({"columns": [""]}, "at least 1 character"),
    ({"skip_lines": -1}, "greater than or equal to 0"),
    ({"comment": ""}, "at least 1 character"),
    ({"comment": "#\n"}, "match pattern"),
    ({"dtypes": {"a": "float"}}, "'string', 'integer', 'number'"),
    ({"header": "maybe"}, "valid boolean"),
    ({"null_values": "n/a"}, "valid tuple"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "message"), KEYS)
def test_a_key_of_no_sense_is_refused(keys, message):
    if message is None:
        DelimitedText.model_validate(keys)
    else:
        with pytest.raises(ValidationError) as raised:
            DelimitedText.model_validate(keys)
        assert message in str(raised.value)
