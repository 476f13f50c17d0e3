"""Splitting and parsing of delimited text: fast and exact ways agree, whatever the blocks."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.delimited import Delimited
from siftset.pipeline.sources.formats.quotes import Grammar
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.delimited import DelimitedText

documents = st.text('ab,"\n\r ', max_size=40).map(lambda text: f"x,y\n{text}".encode())
Found = tuple[list[tuple[object, ...]], list[tuple[int, str]]]


def read(folder: Path, content: bytes, *, block: int, exact: bool) -> Found:
    path = folder / "a.csv"
    path.write_bytes(content)
    reader = Delimited(InputFile(path, "a.csv", "a", "csv", None), DelimitedText(), 1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "siftset.pipeline.sources.formats.streams.text_blocks.__kwdefaults__", {"size": block}
        )
        if exact:
            patch.setattr(Grammar, "_is_regular", lambda *_: False)
            patch.setattr(Delimited, "_parse_fast", lambda *_: None)
        blocks = list(reader.read_records())
    rows = [
        (number, *row)
        for block_ in blocks
        for number, row in zip(block_.records, block_.frame.rows(), strict=True)
    ]
    bad = [(record.record, record.reason) for block_ in blocks for record in block_.bad]
    return rows, bad


@settings(max_examples=300, deadline=None)
@given(documents, st.integers(1, 9))
@example(b'x,y\n"a"\r\n"b\r\n",c\r\n', 3)
@example(b'x,y\na,"b', 2)
@example(b'x,y\na"b,c\n"d""",e', 4)
@example(b"x,y\n\r\r\n\na\n", 1)
def test_blocks_and_the_exact_way_change_nothing(tmp_path_factory, content, block):
    folder = tmp_path_factory.getbasetemp()
    whole = read(folder, content, block=1_000, exact=False)
    assert read(folder, content, block=1_000, exact=True) == whole
    assert read(folder, content, block=block, exact=False) == whole


fields = st.text('ab,"\n é', max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, records, end):
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("x", "y"), *records])
    found, bad = read(
        tmp_path_factory.getbasetemp(), text.getvalue().encode(), block=11, exact=False
    )
    assert [row[1:] for row in found] == records
    assert not bad


def test_an_unclosed_quote_costs_its_line_only(tmp_path):
    content = b'x,y\n1,"a\n' + b"2,b\n" * 2_000
    rows, bad = read(tmp_path, content, block=100, exact=False)
    assert len(rows) == 2_000
    assert bad == [(0, "a quote is not closed as it should be within 1,000 bytes")]


def test_a_header_that_is_quoted_wrongly_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no header"):
        read(tmp_path, b'"x,y\n1,2\n', block=100, exact=False)
