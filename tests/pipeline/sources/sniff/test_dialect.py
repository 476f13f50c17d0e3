"""How delimited text is written, from how it begins; DuckDB is asked the same."""

from __future__ import annotations

import csv
import io
import itertools
import random

import polars as pl
import pytest

from siftset.pipeline.sources.sniff.dialect import START, sniff_dialect
from siftset.pipeline.sources.sniff.encoding import sniff_encoding

WRITTEN = [
    ("id,text\n1,a b\n2,c d\n", {"delimiter": ",", "header": True}),
    ("id;text;price\n1;so, so;9,99\n2;a, b;12,00\n", {"delimiter": ";"}),
    ("id\ttext\n1\tone, two\n2\tthree, four\n", {"delimiter": "\t", "quote": '"'}),
    ("id|text\n1|so\n2|no\n", {"delimiter": "|"}),
    ('id\ttext\n1\t"nice shoes\n2\tthe end"\n', {"delimiter": "\t", "quote": None}),
    ('id,text\n1,"a, ""b""\nc"\n2,"d"\n', {"delimiter": ",", "quote": '"', "escape": None}),
    ('id,text\n1,"a \\"b\\", c"\n2,"d, e"\n', {"quote": '"', "escape": "\\"}),
    ("id,text\n1,'it, so'\n2,'no, no'\n", {"quote": "'", "escape": None}),
    ("id,text\n1,it's so\n2,don't\n", {"quote": '"'}),
    ("1\ta\\tb\n2\t\\N\n3\tc\\\\d\n", {"quote": None, "escape": "\\", "null_values": ("\\N",)}),
    ("sep=;\nid;text\n1;a, b\n", {"delimiter": ";", "skip_lines": 1}),
    ("Sales of May\n\nid,text,n\n1,a,2\n2,b,3\n3,c,4\n", {"skip_lines": 2, "header": True}),
    ("# made by hand\n# x, y\nid,text\n1,a\n2,b\n3,c\n", {"comment": "#", "header": True}),
    ("#id,text\n1,a\n2,b\n", {"comment": None}),
    ("text\nSo, it is here.\nNo.\nWell, well, well, then.\nAh.\n", {"width": 1}),
    ('"one, two"\n"three"\n"four, five, six"\n', {"width": 1, "quote": '"'}),
    ("id,n,text\n1,NA,a\n2,7,b\n3,8,c\n", {"null_values": ("", "NA")}),
    ("id,text\n1,NULL\n2,b\n", {"null_values": ("", "NULL")}),
    ("id,text\n1,NA\n2,b\n", {"null_values": ("",)}),
    ("a,a,b\n1,2,x y\n3,4,z w\n", {"columns": ("a", "a_2", "b")}),
    ("colour,size\nr1,red,1\nr2,blue,2\nr3,blue,3\n",
     {"columns": ("row", "colour", "size"), "header": False, "skip_lines": 1}),
    ("", {"width": 1}),
    ("\n\n", {"width": 1}),
    ("word", {"width": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), WRITTEN)
def test_a_dialect_is_told_from_the_text(text, found):
    dialect = sniff_dialect(text)
    assert {name: getattr(dialect, name) for name in found} == found


WORDS = 'so the kite tore again, and it\'s late; we like it | a lot "really" no'.split()
MADE = [
    (d, q, e) for d in ",;\t|" for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL) for e in ("\n", "\r\n")
]


@pytest.mark.parametrize(("delimiter", "quoting", "end"), MADE)
def test_what_a_program_writes_is_told_as_duckdb_tells_it(delimiter, quoting, end, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    draw = random.Random(f"{delimiter}{quoting}{end}")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(["id", "text", "stars"])
    for n in range(40):
        writer.writerow(
            [n, " ".join(draw.choices(WORDS, k=draw.randint(3, 9))), draw.randint(1, 5)]
        )
    dialect = sniff_dialect(out.getvalue())
    assert (dialect.delimiter, dialect.header, dialect.width) == (delimiter, True, 3)
    path = tmp_path / "a.csv"
    path.write_text(out.getvalue(), "utf-8", newline="")
    with duckdb.connect() as connection:
        told = connection.execute("select Delimiter from sniff_csv(?)", [str(path)]).fetchone()
    assert told == (delimiter,)


ENCODED = [
    ("Größe".encode(), "utf-8", "certain"),
    (b"\xef\xbb\xbfa", "utf-8", "certain"),
    ("Größe".encode("utf-16"), "utf-16", "certain"),
    ("a,b\n1,2\n".encode("utf-16-le"), "utf-16-le", "likely"),
    ("a,b\n1,2\n".encode("utf-16-be"), "utf-16-be", "likely"),
    ("Größe \u2013 so".encode("cp1252"), "cp1252", "guess"),
    ("Привет, как дела сегодня".encode("cp1251"), "cp1251", "guess"),
    (b"a\x81b", "latin-1", "guess"),
    ("é".encode() * 100 + b"\xff", "utf-8", "likely"),
    ("é".encode()[:1], "utf-8", "certain"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "name", "confidence"), ENCODED)
def test_an_encoding_is_told_from_the_bytes(start, name, confidence):
    found = sniff_encoding(start)
    assert (found.name, found.confidence) == (name, confidence)


@pytest.mark.parametrize("corpus", ["movie_reviews", "pros_cons", "tweets"])
def test_real_texts_are_told_however_they_are_written(corpus, corpora):
    frame = pl.read_parquet(corpora / f"{corpus}.parquet").head(100)
    if frame.width < 2:
        frame = frame.with_row_index("n")
    odd = [f"v{at}x" for at in range(frame.width)]
    for delimiter, names in itertools.product(",;\t|", (frame.columns, odd, None)):
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerows([*([names] if names else []), *frame.rows()])
        start = out.getvalue()[:START]
        is_cut = len(out.getvalue()) > START
        whole = start[: start.rfind("\n") + 1] if is_cut else start
        found = sniff_dialect(whole, is_cut=is_cut)
        assert (found.delimiter, found.width) == (delimiter, frame.width)
        assert found.header == (names is not None)
