"""Files that are as they were are not read again; those that are not always are."""

from __future__ import annotations

import json
import os
import time

import pytest

from siftset.pipeline.refresh.file_digests import FileDigests


@pytest.fixture
def file(tmp_path):
    """A file that was left alone for a while: only its mtime and the clock can be set."""
    path = tmp_path / "a.jsonl"
    path.write_text("one")
    return path


@pytest.fixture(autouse=True)
def later(monkeypatch):
    """Let some seconds pass between writing and reading."""
    now = time.time
    monkeypatch.setattr("siftset.pipeline.refresh.file_digests.time.time", lambda: now() + 10)


class Reads:
    def __init__(self, path):
        self.path, self.count = path, 0

    def __call__(self):
        self.count += 1
        return self.path.read_text(), ("mark",)


def asked(tmp_path, file, reads):
    digests = FileDigests(tmp_path / "digests.json")
    found = digests.digest(file, reads)
    digests.keep()
    return found


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path, file):
    reads = Reads(file)
    assert [asked(tmp_path, file, reads) for _ in range(3)] == [("one", ("mark",))] * 3
    assert reads.count == 1


def written(file):
    file.write_text("two")


def written_with_the_time_set_back(file):
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_in_its_place(file):
    before = file.stat()
    other = file.with_name("other")
    other.write_text("two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize("change", [written, written_with_the_time_set_back, put_in_its_place])
def test_a_file_that_changed_is_read_again(tmp_path, file, change):
    reads = Reads(file)
    asked(tmp_path, file, reads)
    time.sleep(0.02)
    change(file)
    assert asked(tmp_path, file, reads) == ("two", ("mark",))
    assert reads.count == 2


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, file, monkeypatch):
    monkeypatch.undo()
    reads = Reads(file)
    asked(tmp_path, file, reads)
    asked(tmp_path, file, reads)
    assert reads.count == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, file):
    def read():
        found = file.read_text()
        time.sleep(0.02)
        file.write_text("changed")
        return found, ()

    assert asked(tmp_path, file, read)[0] == "one"
    assert asked(tmp_path, file, Reads(file))[0] == "changed"


@pytest.mark.parametrize("said", ["", "[]", '{"a": 1}', '{"a": [[1], "x"]}'])
def test_what_is_damaged_is_read_anew(tmp_path, file, said):
    (tmp_path / "digests.json").write_text(said)
    assert asked(tmp_path, file, Reads(file))[0] == "one"
    assert str(file) in json.loads((tmp_path / "digests.json").read_text())


def test_what_nobody_asks_for_is_forgotten(tmp_path, file):
    other = tmp_path / "b.jsonl"
    other.write_text("x")
    asked(tmp_path, other, Reads(other))
    asked(tmp_path, file, Reads(file))
    assert list(json.loads((tmp_path / "digests.json").read_text())) == [str(file)]


def test_a_refresh_reads_no_byte_of_an_old_file(new_world, monkeypatch):
    world = new_world()
    world.texts("a", "the first text")
    world.refresh()
    world.refresh()
    world.texts("b", "the second text")
    from siftset.pipeline.sources import files

    read = []
    file_identity = files.file_identity
    monkeypatch.setattr(
        files, "file_identity", lambda path: read.append(path.name) or file_identity(path)
    )
    assert world.refresh().set_rows == 2
    assert read == ["b.jsonl"]
    assert world.set().equals(world.full())
