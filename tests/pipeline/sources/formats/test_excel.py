"""Spreadsheets: sheets, types, cells with errors, passwords."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import polars as pl
import pytest

from siftset.pipeline.sources import Sources
from siftset.schemas.errors import MissingExtraError, RecipeError, SourceError

pytest.importorskip("fastexcel")
rows = Sources.frame
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _cell(value: object, row: int, column: int) -> str:
    at = f'r="{chr(65 + column)}{row}"'
    match value:
        case None:
            return ""
        case bool():
            return f'<c {at} t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f"<c {at}><v>{value}</v></c>"
        case datetime():
            days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400
            return f'<c {at} s="1"><v>{days}</v></c>'
        case str() if value.startswith("#"):
            return f'<c {at} t="e"><v>{value}</v></c>'
    return f'<c {at} t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def write_workbook(
    path: Path, sheets: dict[str, Sequence[Sequence[object]]], *, merged: str = ""
) -> None:
    """Write an .xlsx as the standard has it; texts that begin with # are errors of cells."""
    names = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in enumerate(sheets, 1)
    )
    parts = "".join(
        f'<Relationship Id="r{at}" Type="{LINK}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    styles = f'<Relationship Id="s" Type="{LINK}/styles" Target="styles.xml"/>'
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"/>')
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="b" '
            f'Type="{LINK}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{LINK}"><sheets>{names}</sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships">{parts}{styles}</Relationships>',
        )
        book.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
            "</styleSheet>",
        )
        for at, table in enumerate(sheets.values(), 1):
            data = "".join(
                f'<row r="{n}">{"".join(_cell(v, n, c) for c, v in enumerate(row))}</row>'
                for n, row in enumerate(table, 1)
            )
            ends = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
            book.writestr(
                f"xl/worksheets/sheet{at}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData>{ends}</worksheet>',
            )


TABLE = [
    ["id", "text", "zip", "mixed", "day", "at", "share", "both"],
    [1, "warm", "007", 1, datetime(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5), 0.5, "x"],
    [],
    [2, None, "008", "a", datetime(2024, 1, 3), datetime(2024, 1, 3), 2, None],
    [3, "tore", "009", True, None, None, "#DIV/0!", None],
]


def test_a_sheet_is_read_with_the_types_of_its_cells(tmp_path: Path, opened: Any):
    write_workbook(tmp_path / "a.xlsx", {"data": TABLE, "empty": []}, merged="H2:H4")
    sources = opened("a.xlsx", id="id")
    assert sources.schema == {
        "id": pl.Int64,
        "text": pl.String,
        "zip": pl.String,
        "mixed": pl.String,
        "day": pl.Date,
        "at": pl.Datetime("us"),
        "share": pl.Float64,
        "both": pl.String,
    }
    assert rows(sources).drop("row_id", "source").rows() == [
        (1, "warm", "007", "1", date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5), 0.5, "x"),
        (2, None, "008", "a", date(2024, 1, 3), datetime(2024, 1, 3), 2.0, None),
        (3, "tore", "009", "true", None, None, None, None),
    ]
    assert rows(sources)["source"].struct.field("record").to_list() == [0, 1, 2]


def test_a_sheet_without_a_header_has_the_names_given(tmp_path: Path, opened: Any):
    write_workbook(tmp_path / "a.xlsx", {"s": [["a title"], [], [1, "warm"], [2, "tore"]]})
    config = {"skip_lines": 1, "header": False}
    assert rows(opened("a.xlsx", text="column_2", **config))["text"].to_list() == ["warm", "tore"]
    named = rows(opened("a.xlsx", columns=["n", "text"], **config))
    assert named.select("n", "text").rows() == [(1, "warm"), (2, "tore")]


def test_a_sheet_is_named_by_name_or_number(tmp_path: Path, opened: Any):
    sheets = {"one": [["text"], ["a"]], "two": [["text"], ["b"]]}
    write_workbook(tmp_path / "a.xlsx", sheets)
    assert rows(opened("a.xlsx", sheet="two"))["text"].to_list() == ["b"]
    assert rows(opened("a.xlsx", sheet=1))["text"].to_list() == ["a"]
    for wanted, message in (
        (None, r"2 sheets hold rows \(one, two\): set source\.files\.sheet"),
        (3, "no sheet number 3"),
        ("three", "no sheet 'three' .* it has one, two"),
    ):
        with pytest.raises(SourceError, match=message):
            opened("a.xlsx", sheet=wanted)


def test_types_given_win_and_what_does_not_fit_is_unreadable(tmp_path: Path, opened: Any):
    write_workbook(tmp_path / "a.xlsx", {"s": [["text", "n"], ["a", 7], ["b", "x"], ["c", 8]]})
    sources = opened("a.xlsx", dtypes={"n": "integer"})
    assert rows(sources).select("text", "n").rows() == [("a", 7), ("c", 8)]
    [batch] = sources.read_batches()
    assert batch.unreadable["reason"].to_list() == ["column 'n' holds 'x', which is no integer"]
    assert rows(opened("a.xlsx", dtypes={"n": "string"}))["n"].to_list() == ["7", "x", "8"]


def test_spreadsheets_beside_other_data_are_left(tmp_path: Path, opened: Any):
    (tmp_path / "in").mkdir()
    write_workbook(tmp_path / "in/notes.xlsx", {"s": [["text"], ["sheet"]]})
    assert rows(opened("in"))["text"].to_list() == ["sheet"]
    (tmp_path / "in/a.csv").write_text("text\nfile\n")
    sources = opened("in")
    assert rows(sources)["text"].to_list() == ["file"]
    assert "1 spreadsheets skipped, which lie beside other files" in sources.warnings[0]
    assert rows(opened("in", "in/notes.xlsx"))["text"].to_list() == ["file", "sheet"]


def encrypted() -> bytes:
    """Return the beginning of a workbook that is encrypted: a compound file with a package."""
    magic = bytes.fromhex("d0cf11e0a1b11ae1")
    return magic + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(480)


BROKEN = [
    (encrypted(), "protected by a password: save it without one, or as CSV"),
    (b"no workbook", "cannot be read"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_what_cannot_be_read_is_said(data: bytes, message: str, tmp_path: Path, opened: Any):
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(SourceError, match=message):
        opened("a.xlsx")


HEADERS = [
    ([["text", "text"], ["a", "b"]], "names column 'text' twice"),
    ([], "no sheet holds rows; it has s"),
    ([["title"], []], "no row in sheet 's' after the first 1"),
]


@pytest.mark.parametrize(("table", "message"), HEADERS)
def test_a_sheet_without_names_is_said(table, message, tmp_path, opened):
    write_workbook(tmp_path / "a.xlsx", {"s": table})
    with pytest.raises(SourceError, match=message):
        opened("a.xlsx", **({"skip_lines": 1} if len(table) == 2 and not table[1] else {}))


def test_keys_of_other_formats_are_refused(tmp_path: Path, opened: Any):
    write_workbook(tmp_path / "a.xlsx", {"s": [["text"], ["a"]]})
    (tmp_path / "a.csv").write_text("text\na\n")
    with pytest.raises(RecipeError, match=r"source\.files\.quote: is for csv and tsv"):
        opened("a.xlsx", quote="none")
    with pytest.raises(RecipeError, match=r"source\.files\.sheet: is for spreadsheets"):
        opened("a.csv", sheet=1)


def test_the_package_is_an_extra(tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch):
    write_workbook(tmp_path / "a.xlsx", {"s": [["text"], ["a"]]})
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(MissingExtraError, match="needs the extra 'excel'"):
        opened("a.xlsx")
