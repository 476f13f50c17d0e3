"""Cost in proportion to columns, files and the length of a record, counted and not timed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.sources import Sources, row_ids
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats import array
from siftset.pipeline.sources.formats.records import whole_pieces
from siftset.pipeline.sources.formats.streams import BLOCK_BYTES, wide_blocks
from siftset.pipeline.sources.row_ids import canonical_text, content_hashes
from siftset.pipeline.sources.sniff import header
from siftset.schemas.errors import SourceError

Open = Callable[..., Sources]


def test_columns_of_a_type_are_hashed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each column by itself cost a millisecond a batch: hours for 10,000 columns of text."""
    asked: list[str] = []

    def counted(values: pl.Series) -> pl.Series:
        asked.append(values.name)
        return canonical_text(values)

    texts = {f"t{at}": [f"{at}.0", "True", None] for at in range(300)}
    numbers = {f"n{at}": [1.0, float(at), 2.5] for at in range(300)}
    frame = pl.DataFrame({**texts, **numbers})
    alone = sum(content_hashes(frame.select(name)) for name in frame.columns)
    monkeypatch.setattr(row_ids, "canonical_text", counted)
    assert (content_hashes(frame) == alone).all()
    assert len(asked) == 2


def test_a_header_is_asked_column_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    follows = header._follows

    def counted(near: header.Fields, at: int) -> bool:
        seen.append(len(near))
        return follows(near, at)

    monkeypatch.setattr(header, "_follows", counted)
    names = [str(1900 + at) for at in range(100)]
    votes = header.count_header_votes(names, [["5"] * 100] * 3)
    assert votes.is_header
    assert len(seen) == 100
    assert max(seen) == 3


def test_opening_files_compares_none_with_all_others(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []
    equal = InputFile.__eq__

    def counted(one: InputFile, other: object) -> bool:
        compared.append(other)
        return equal(one, other)

    monkeypatch.setattr(InputFile, "__eq__", counted)
    for at in range(60):
        (tmp_path / f"{at:03}.jsonl").write_text('{"text": "one"}\n' if at else "")
    sources = opened("*.jsonl")
    assert sources.records == 59
    assert "is empty" in sources.warnings[0]
    assert len(compared) < 200


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_long_record_is_not_looked_at_after_every_block(end: bytes) -> None:
    blocks = [b"x" * 1000] * 400 + [end + b"y\nz" * 20]
    looked: list[int] = []

    def cut(data: bytes) -> int:
        looked.append(len(data))
        return data.rfind(b"\n") + 1

    pieces = [*whole_pieces(blocks, cut, longest=10**6)]
    whole = b"".join(blocks)
    assert b"".join(piece.data for piece in pieces) == whole
    assert sum(looked) < 4 * len(whole)


def test_what_is_too_long_is_dropped_in_its_place() -> None:
    blocks = [b"ab\n", b"x" * 50, b"x" * 50, b"x" * 50, b"y\ncd", b"\n"]
    pieces = [*whole_pieces(blocks, lambda data: data.rfind(b"\n") + 1, longest=40)]
    assert [piece.data for piece in pieces] == [b"ab\n", b"x" * 41 + b"y\n", b"cd\n"]
    assert [piece.offset for piece in pieces] == [0, 3, len(b"".join(blocks)) - 3]


def test_a_long_element_is_not_read_after_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    class Counted:
        def raw_decode(self, text: str, start: int) -> tuple[Any, int]:
            decoded.append(len(text) - start)
            return json.JSONDecoder().raw_decode(text, start)

    monkeypatch.setattr(array, "DECODER", Counted())
    rows = [{"text": "long " * 40_000}, {"text": "short"}]
    data = json.dumps(rows).encode()
    blocks = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    found = [
        *array.split_array(blocks, InputFile(Path("a"), "a", "a", "json", None), longest=10**6)
    ]
    lines = [json.loads(one.raw_bytes(at)) for one in found for at in range(len(one))]
    assert lines == rows
    assert sum(decoded) < 4 * len(data)


def test_blocks_of_wide_records_are_joined() -> None:
    narrow = [b"1,2\n" * 100] * 10
    assert [*wide_blocks(narrow, b",")] == narrow
    wide = [b",".join([b"1"] * 500) + b"\n"] * 16
    joined = [*wide_blocks(wide, b",")]
    assert b"".join(joined) == b"".join(wide)
    assert len(joined) == 2
    long = [b"x" * BLOCK_BYTES] * 3
    assert [*wide_blocks(long, b",")] == long
    assert [*wide_blocks([], b",")] == []


def test_an_error_names_the_first_of_many_columns(tmp_path: Path, opened: Open) -> None:
    names = [f"c{at}" for at in range(2_000)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join(["x"] * 2_000) + "\n")
    with pytest.raises(SourceError, match=r"c0, c1, .* c29 and 1,970 more: name one") as error:
        opened("a.csv")
    assert len(str(error.value)) < 500
