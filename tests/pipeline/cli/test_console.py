"""What reaches a terminal: no control character raw, and a stdout that fails loses no version."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import RecipeError, SourceError

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe \x7f\x08\udce9"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
RECIPE = """
name: hostile
output: out
source: {files: {paths: ["*.csv"], text: text}}
signals: {words: {length: {min: 1}}}
keep: words
"""


def test_no_way_of_writing_lets_a_control_character_through(capsys) -> None:
    out = io.StringIO()
    for flags in ({"json": False}, {"json": True}):
        screen = Screen(verbose=True, out=out, **flags)
        screen.show(HOSTILE)
        screen.answer(HOSTILE)
        screen.result({HOSTILE: HOSTILE})
        screen.note(HOSTILE)
        screen.detail(HOSTILE)
        screen.failure(ValueError(HOSTILE), 1)
    written = [out.getvalue(), capsys.readouterr().err]
    assert [RAW.findall(one) for one in written] == [[], []]
    last = [json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{")]
    assert last[0] == {HOSTILE: HOSTILE}


def test_an_error_that_names_a_column_with_a_line_break_is_one_line(capsys) -> None:
    out = io.StringIO()
    Screen(json=True, out=out).failure(SourceError("no column 'a'; it has b\nc, d\r\ne"), 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: no column 'a'; it has b␊c, d␍␊e"
    assert "\n" not in json.loads(out.getvalue())["error"]
    Screen().failure(RecipeError("line 1: one\nline 2: two"), 2)  # a line for each mistake
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.filterwarnings("always")
def test_a_warning_of_ours_is_a_line_and_others_are_left_to_python(monkeypatch) -> None:
    from siftset.signals.kernels import compiled

    monkeypatch.setattr(compiled, "_broken", threading.Event())
    app = typer.Typer()

    @add_command(app, "break", example="break")
    def break_kernels(screen: Screen) -> None:
        """Break kernels."""
        assert compiled.try_kernel(lambda: [][0]) is None
        warnings.warn("another package's", UserWarning, stacklevel=1)

    python: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: python.append(str(message)))
    shown = warnings.showwarning
    assert CliRunner().invoke(app, []).stderr.splitlines() == [
        "warning: compiled kernels cannot be used here (IndexError: list index out of range); "
        "plain Python gives the same answers, more slowly"
    ]
    assert python == ["another package's"]
    assert warnings.showwarning is shown


def _siftset(folder: Path, *words: str, out: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "siftset.pipeline.cli", *words]
    if out is None:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    with open(out, "w") as target:  # noqa: PTH123  a device
        return subprocess.run(
            command, cwd=folder, stdout=target, stderr=subprocess.PIPE, text=True, check=False
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pl.DataFrame({"text": [f"\x1b[2Jtext {i}" for i in range(5)]}).write_csv(tmp_path / "a\x1b.csv")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def test_texts_and_file_names_reach_a_terminal_visibly(folder: Path) -> None:
    for words in (("check", "recipe.yaml"), ("curate", "recipe.yaml"), ("report", "recipe.yaml")):
        done = _siftset(folder, *words)
        assert done.returncode == 0, done.stderr
        assert RAW.findall(done.stdout + done.stderr) == []
    row = pl.read_parquet(folder / "out/versions/0/*.parquet")["row_id"][0]
    shown = _siftset(folder, "explain", "recipe.yaml", "--row", row).stdout
    assert "\u241b[2Jtext" in shown
    assert "a\u241b.csv" in shown
    assert RAW.findall(shown) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_a_full_stdout_ends_in_one_line_and_the_version_stands(folder: Path, flag) -> None:
    done = _siftset(folder, "curate", "recipe.yaml", *flag, out="/dev/full")
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "what the command made stands" in errors[0]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert Store(folder / "out").version() == 0


def test_a_reader_that_leaves_ends_nothing_in_an_error(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "siftset.pipeline.cli", "curate", "recipe.yaml"]
    done = subprocess.run(
        command, cwd=folder, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "Exception ignored" not in done.stderr
    assert Store(folder / "out").version() == 0
