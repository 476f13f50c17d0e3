"""`check` and `signals test` on users' own signals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.signals import check_signals
from siftset.schemas.errors import SignalError

HEAD = "import polars as pl\nfrom siftset import signal\n"


def recipe(folder: Path, body: str) -> Path:
    (folder / "mine.py").write_text(HEAD + body, "utf-8")
    (folder / "in.jsonl").write_text(
        "".join(json.dumps({"text": f"text {'x' * n}"}) + "\n" for n in range(40)), "utf-8"
    )
    path = folder / "recipe.yaml"
    path.write_text(
        "name: own\noutput: out\nsource: {files: {paths: [in.jsonl]}}\n"
        "signals: {s: {python: 'mine.py:s'}}\nkeep: s\n",
        "utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("@signal(examples=[('a', False)])\ndef s(text: str) -> bool:\n    return 'a' in text\n",
         "example 1"),
        ("@signal\ndef s(text: pl.Expr) -> pl.Expr:\n    return text == text.first()\n",
         "another order|batches of 7"),
    ],
)  # fmt: skip
def test_check_finds_a_signal_that_is_wrong(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=message):
        check_recipe(recipe(tmp_path, body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os\nNAME = 'N'\n@signal\ndef s(text: str) -> bool:\n"
         "    return text == os.environ.get(NAME + 'S')\n",
         "not tracked: the environment variable NAME + 'S'"),
        ("from pathlib import Path\nHERE = Path(__file__).parent\n@signal\n"
         "def s(text: str) -> bool:\n    return text in (HERE / ''.join(['in', '.jsonl']))"
         ".read_text()\n", "in.jsonl while it is asked"),
        ("@signal\ndef s(text: str) -> bool:\n    return text.index('xx') > 0\n", "on line 5"),
    ],
)  # fmt: skip
def test_check_names_what_is_not_tracked(body: str, message: str, tmp_path: Path) -> None:
    assert any(message in line for line in check_recipe(recipe(tmp_path, body)).warnings)


def test_print_leaves_the_one_json_object_alone(tmp_path: Path) -> None:
    path = recipe(tmp_path, "print('loaded')\n@signal\ndef s(text: str) -> bool:\n"
                            "    print(text)\n    return True\n")  # fmt: skip
    done = CliRunner().invoke(app, ["check", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["ok"] is True
    assert "loaded" in done.stderr


def test_laws_are_tried_on_any_column(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        HEAD + "@signal\ndef good(stars: float) -> bool:\n    return stars >= 4\n"
        "@signal\ndef first(stars: pl.Series) -> pl.Series:\n    return stars == stars[0]\n"
        "@signal\ndef tagged(tags: list[str]) -> bool:\n    return 'a' in tags\n",
        "utf-8",
    )
    laws = check_signals(file).laws
    assert {law.signal for law in laws} == {"good", "first", "tagged"}
    assert {law.signal for law in laws if not law.holds} == {"first"}
