from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.run import score_store as module
from siftset.pipeline.run.score_segments import (
    BadSegment,
    SortedAnswers,
    merge_answers,
    push_answers,
    read_segment,
    search_answers,
    sort_answers,
    write_segment,
)
from siftset.pipeline.run.score_store import StoredScores, shrink_folder
from siftset.signals.decider import Decider
from siftset.signals.decorator import signal
from siftset.signals.evaluation.repeats import SAMPLE
from siftset.signals.evaluation.score_cache import RowKeys
from siftset.signals.formula.formula import parse
from siftset.signals.signal import Signal

FLOAT = np.dtype(np.float64)
CALLS: list[str] = []


@signal
def size(text: str) -> float | None:
    """Length, and nothing for texts of three letters; expensive enough to be stored."""
    CALLS.append(text)
    time.sleep(2e-5)
    return None if len(text) == 3 else float(len(text))


@signal
def early(text: str) -> bool:
    CALLS.append(text)
    time.sleep(2e-5)
    return text < "b"


def _frame(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame({"text": list(texts)}, schema={"text": pl.String})


MANY = _frame(*(f"{'abc'[i % 3]}{i}" for i in range(200)))


def _run(folder: Path, formula: str, frame: pl.DataFrame, *, worth: float = 0.0) -> StoredScores:
    """Decide with the folder's cache, checking the answers against a run without; CALLS is new."""
    cache = StoredScores(folder, worth=worth)
    signals: dict[str, Signal] = {"size": size, "early": early}
    expected = Decider(parse(formula), signals).decide(frame)
    CALLS.clear()
    found = Decider(parse(formula), signals, cache=cache).decide(frame)
    assert found.keep.equals(expected.keep)
    assert found.signals.equals(expected.signals)
    assert found.scores is None or found.scores.equals(expected.scores)
    cache.close()
    return cache


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "scores").glob("*/*"))


def test_a_later_run_with_another_threshold_scores_nothing(tmp_path):
    _run(tmp_path, "(size >= 2) ^ early", MANY)
    assert len(CALLS) > 300
    assert len(_files(tmp_path)) == 2
    _run(tmp_path, "(size >= 3) & early", MANY)
    assert not CALLS


def test_a_later_run_scores_only_what_is_new(tmp_path):
    _run(tmp_path, "size >= 2", MANY)
    _run(tmp_path, "size >= 2", pl.concat([_frame("new", None, "abc"), MANY]))
    assert CALLS == ["new", "abc"]
    _run(tmp_path, "size >= 9", _frame("abc", "new"))
    assert not CALLS


def test_cheap_signals_are_not_stored(tmp_path):
    _run(tmp_path, "size >= 2", MANY, worth=1.0)
    assert not _files(tmp_path)


def test_what_turned_out_cheap_is_removed(tmp_path):
    _run(tmp_path, "size >= 2", MANY)
    cache = StoredScores(tmp_path, worth=1.0)
    decider = Decider(parse("size >= 2"), {"size": size}, cache=cache)
    for start in (0, 700, 1400):
        decider.decide(_frame(*(f"{start + i} more" for i in range(700))))
    cache.close()
    assert not _files(tmp_path)


def test_expressions_are_never_stored(tmp_path):
    @signal
    def short(text: pl.Expr) -> pl.Expr:
        return text.str.len_chars() < 3

    assert StoredScores(tmp_path).shelf(short) is None


def test_a_signal_without_an_identity_is_never_stored(tmp_path):
    made = Signal(name="x", kind="row", function=lambda text: True)
    assert StoredScores(tmp_path).shelf(made) is None


def test_the_folder_may_be_deleted_at_any_time(tmp_path):
    _run(tmp_path, "size >= 2", MANY)
    cache = StoredScores(tmp_path, worth=0.0)
    decider = Decider(parse("size >= 2"), {"size": size}, cache=cache)
    decider.decide(MANY)
    shutil.rmtree(tmp_path / "scores")
    decider.decide(pl.concat([MANY, _frame(*(f"new{i}" for i in range(100)))]))
    assert cache.close() == ()
    _run(tmp_path, "size >= 2", MANY)
    assert len(CALLS) == 200
    _run(tmp_path, "size >= 2", MANY)
    assert not CALLS


def test_nothing_is_written_where_there_is_no_output_folder(tmp_path):
    _run(tmp_path / "absent", "size >= 2", MANY)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("place", [0, 4, 0.3, 0.6, -20, -1])
def test_an_altered_file_is_told_of_ignored_and_written_anew(tmp_path, place):
    _run(tmp_path, "size >= 2", MANY)
    (path,) = _files(tmp_path)
    data = bytearray(path.read_bytes())
    at = place if isinstance(place, int) else int(place * len(data))
    data[at] ^= 0x10
    path.write_bytes(bytes(data))
    _check_mended(tmp_path, path)


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_file_cut_short_is_told_of_ignored_and_written_anew(tmp_path, left):
    _run(tmp_path, "size >= 2", MANY)
    (path,) = _files(tmp_path)
    path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    _check_mended(tmp_path, path)


def _check_mended(folder: Path, path: Path) -> None:
    cache = _run(folder, "size >= 2", MANY)
    assert len(CALLS) == 200
    assert cache.warnings == [
        f"{path.relative_to(folder)} is ignored, its bytes are not those that were written: "
        "its rows are scored again"
    ]
    assert not path.exists()
    _run(folder, "size >= 2", MANY)
    assert not CALLS


def test_a_segment_of_another_type_is_refused(tmp_path):
    answers = SortedAnswers(np.zeros(1, np.uint64), np.zeros(1, np.uint32), np.zeros(1, np.uint8))
    path = write_segment(tmp_path, answers)
    assert read_segment(path, np.dtype(np.uint8)).rows == 1
    with pytest.raises(BadSegment, match="other types"):
        read_segment(path, FLOAT)


def test_a_folder_that_takes_no_files_costs_a_warning(tmp_path):
    (tmp_path / "scores").write_text("in the way")
    cache = _run(tmp_path, "size >= 2", MANY)
    assert len(cache.warnings) == 1
    assert "scores cannot be stored" in cache.warnings[0]


def test_two_runs_at_once_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAVES", 0.0)

    def work(start: int) -> None:
        for step in range(6):
            cache = StoredScores(tmp_path, worth=0.0)
            texts = [f"{start}-{step}-{i}" for i in range(100)]
            Decider(parse("size > 1"), {"size": size}, cache=cache).decide(_frame(*texts))
            assert cache.close() == ()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [f"{start}-{step}-{i}" for start in range(3) for step in range(6) for i in range(100)]
    _run(tmp_path, "size > 1", _frame(*every))
    assert not CALLS


def test_many_small_files_become_one(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAVES", 0.0)
    for step in range(module.SMALL_SEGMENTS + 1):
        _run(tmp_path, "size > 1", _frame(*(f"{step}-{i}" for i in range(100))))
    assert len(_files(tmp_path)) <= 2
    every = [f"{step}-{i}" for step in range(module.SMALL_SEGMENTS + 1) for i in range(100)]
    _run(tmp_path, "size > 1", _frame(*every))
    assert not CALLS


def test_answers_beyond_the_limit_are_written_and_the_newest_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ANSWERS", 150)
    old, new = (_frame(*(f"{name}{i}" for i in range(100))) for name in ("old", "new"))
    _run(tmp_path, "size > 1", old)
    _run(tmp_path, "size > 1", new)
    _run(tmp_path, "size > 1", new)
    assert not CALLS
    _run(tmp_path, "size > 1", old)
    assert len(CALLS) == 50


def test_the_oldest_files_go_when_the_folder_is_full(tmp_path):
    _run(tmp_path, "(size > 1) & (early | ~early)", MANY)
    first, second = _files(tmp_path)
    second.touch()
    shrink_folder(tmp_path / "scores", limit=second.stat().st_size)
    assert _files(tmp_path) == [second]
    assert not first.parent.exists()


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), max_size=20)


def _keys(rows: list[tuple[int, int]]) -> RowKeys:
    table = np.array(rows, np.uint64).reshape(-1, 2)
    return RowKeys(table[:, 0].copy(), table[:, 1].astype(np.uint32))


def _answers(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.array([10 * key + check for key, check in rows], np.float64)


@settings(max_examples=300)
@given(st.lists(ROWS, max_size=6), ROWS)
def test_runs_answer_as_a_dictionary_does(batches, asked):
    """Rows whose keys collide are told apart by the check; one of them may be missed, not mixed."""
    runs: tuple[SortedAnswers, ...] = ()
    for batch in batches:
        runs = push_answers(runs, sort_answers(_keys(batch), _answers(batch)))
    known = {row for batch in batches for row in batch}
    found, answers = search_answers(runs, _keys(asked), FLOAT)
    for row, there, answer in zip(asked, found, answers, strict=True):
        collides = (row[0], 1 - row[1]) in known
        assert there == (row in known) or (collides and not there)
        assert not there or answer == 10 * row[0] + row[1]


def test_merging_drops_repeats():
    rows, more = [(3, 0), (1, 0), (3, 0)], [(1, 0), (2, 1)]
    both = merge_answers(
        (sort_answers(_keys(rows), _answers(rows)), sort_answers(_keys(more), _answers(more)))
    )
    assert both.key.tolist() == [1, 2, 3]
    assert both.answer.tolist() == [10, 21, 30]


RECIPE = """
name: cached
output: out
source: {files: {paths: [texts.jsonl]}}
signals:
  dear: {python: "mine.py:dear"}
keep: dear >= 2
"""
MINE = """
import time
from pathlib import Path

from siftset import signal


@signal
def dear(text: str) -> float:
    with Path(__file__).with_name("calls").open("a") as calls:
        calls.write(text + "\\n")
    time.sleep(1e-5)
    return float(len(text))
"""


def _calls(folder: Path) -> int:
    path = folder / "calls"
    found = len(path.read_text().splitlines()) if path.exists() else 0
    path.unlink(missing_ok=True)
    return found


def test_curate_scores_again_only_what_changed(tmp_path):
    pl.DataFrame({"text": [str(i) for i in range(300)]}).write_ndjson(tmp_path / "texts.jsonl")
    (tmp_path / "mine.py").write_text(MINE)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    first = curate(recipe)
    assert (_calls(tmp_path), first.rows.kept) == (300 + SAMPLE, 290)
    second = curate(recipe, overrides=["keep=dear >= 3"])
    assert (_calls(tmp_path), second.rows.kept) == (0, 200)
    (tmp_path / "mine.py").write_text(MINE.replace("len(text)", "len(text) + 1"))
    third = curate(recipe, overrides=["keep=dear >= 4"])
    assert (_calls(tmp_path), third.rows.kept) == (300 + SAMPLE, 200)
