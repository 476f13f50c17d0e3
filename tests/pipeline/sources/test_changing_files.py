"""A file that changes after it was opened ends the run: its fingerprint is of other rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.sources import Sources
from siftset.schemas.errors import SourceError

Open = Callable[..., Sources]

FORMS = ("csv", "jsonl", "parquet", "arrow")


def write(path: Path, texts: list[str]) -> None:
    frame = pl.DataFrame({"text": texts})
    writers = {
        ".csv": frame.write_csv,
        ".jsonl": frame.write_ndjson,
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
    }
    writers[path.suffix](path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": lambda path: write(path, ["a", "b", "c", "d"]),
    "replaced": lambda path: write(path, ["x", "y", "z"]),
    "shortened": lambda path: write(path, ["a"]),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "removed": lambda path: path.unlink(),
    "other columns": lambda path: pl.DataFrame({"n": [1]}).write_csv(path),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told(change, form, opened: Open, tmp_path: Path):
    path = tmp_path / f"a.{form}"
    write(path, ["a", "b", "c"])
    sources = opened(f"a.{form}")
    CHANGES[change](path)
    with pytest.raises(SourceError, match=r"changed while it was read|cannot be opened"):
        sources.frame()


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bytes_written_again_are_no_change(form, opened: Open, tmp_path: Path):
    path = tmp_path / f"a.{form}"
    write(path, ["a", "b", "c"])
    sources = opened(f"a.{form}")
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    os.utime(path, (1, 1))
    assert sources.frame()["text"].to_list() == ["a", "b", "c"]


def test_a_change_that_keeps_size_and_count_is_told(opened: Open, tmp_path: Path):
    write(tmp_path / "a.csv", ["a", "b"])
    sources = opened("a.csv")
    write(tmp_path / "a.csv", ["a", "c"])
    with pytest.raises(SourceError, match="changed while it was read"):
        sources.frame()
