"""Which files a path leads to: none is left out, and none is read twice, without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siftset.pipeline.sources import Sources
from siftset.schemas.errors import SourceError

Open = Callable[..., Sources]


def write(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"text\n{text}\n")


def texts(sources: Sources) -> list[str]:
    return sources.frame()["text"].to_list()


@pytest.mark.parametrize("path", ["in", "in/**/*.csv"])
def test_a_linked_folder_is_read(path, opened: Open, tmp_path: Path):
    write(tmp_path / "in/a.csv", "a")
    write(tmp_path / "elsewhere/b.csv", "b")
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    sources = opened(path)
    assert texts(sources) == ["a", "b"]
    assert sources.frame()["source"].struct.field("file").to_list() == ["a.csv", "linked/b.csv"]


def test_a_link_that_leads_back_ends(opened: Open, tmp_path: Path):
    write(tmp_path / "in/sub/a.csv", "a")
    (tmp_path / "in/sub/again").symlink_to(tmp_path / "in")
    assert texts(opened("in")) == ["a"]


@pytest.mark.parametrize("path", ["in", "in/*/*.csv"])
def test_a_partition_whose_name_begins_with_an_underscore_is_read(path, opened, tmp_path):
    write(tmp_path / "in/_year=2024/a.csv", "a")
    write(tmp_path / "in/_temporary/b.csv", "b")
    write(tmp_path / "in/_SUCCESS=/.c.csv", "c")
    assert texts(opened(path)) == ["a"]


@pytest.mark.parametrize("other", ["in/../in/a.csv", "./in/a.csv", "linked/a.csv", "in"])
def test_a_file_named_in_two_ways_is_read_once(other, opened: Open, tmp_path: Path):
    write(tmp_path / "in/a.csv", "a")
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    sources = opened("in/a.csv", other)
    assert texts(sources) == ["a"]
    assert bool(sources.warnings) is other.startswith("linked")


@pytest.mark.parametrize("other", ["a.csv.gz", "a.tsv"])
def test_two_files_whose_rows_would_have_the_same_ids_are_refused(other, opened, tmp_path):
    import gzip

    write(tmp_path / "a.csv")
    data = (tmp_path / "a.csv").read_bytes()
    (tmp_path / other).write_bytes(gzip.compress(data) if other.endswith("gz") else data)
    with pytest.raises(SourceError, match="same name but for its ending"):
        opened(".")


def test_a_name_that_is_not_utf8_is_refused(opened: Open, tmp_path: Path):
    import os

    name = os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.csv")
    write(Path(name))
    with pytest.raises(SourceError, match=r"\\xff.csv: the name of the file is not UTF-8"):
        opened(".")


def test_a_file_that_lacks_a_named_column_is_named(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("body,stars\nx,1\n")
    (tmp_path / "b.csv").write_text("content,stars\ny,2\nz,3\n")
    [line] = opened("a.csv", "b.csv", text="body").warnings
    assert line.startswith(f"{tmp_path / 'b.csv'}: no column 'body' (text)")
    assert "its 2 rows have none; it has content, stars" in line


def test_columns_that_files_write_differently_are_named(opened: Open, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,n\nx,1\n")
    (tmp_path / "b.csv").write_text("text,n\nx,many\n")
    (tmp_path / "c.csv").write_text("text,n\nx,2.5\n")
    [line] = opened("a.csv", "b.csv").warnings
    assert line == "files: column 'n' is read as text: Int64 in a.csv, String in b.csv"
    assert not opened("a.csv", "c.csv").warnings
