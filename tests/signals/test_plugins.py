from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import siftset
from siftset.schemas.errors import SignalError
from siftset.signals.plugins import GROUP, load_signal, signals_in
from siftset.signals.registry import build, find_kind, load_kinds

POLITE = """
from siftset.signals.decorator import signal
from helper_words import WORDS

@signal
def polite(text: str, *, least: int = 1) -> bool:
    return sum(word in text for word in WORDS) >= least

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "signals_mine.py").write_text(POLITE, "utf-8")
    (tmp_path / "helper_words.py").write_text("WORDS = ('please', 'thanks')\n", "utf-8")
    return tmp_path


def test_a_signal_of_a_file_with_a_helper_beside_it(folder):
    found = load_signal("signals_mine.py:polite", folder=folder, signal="polite")
    assert found("thanks a lot") is True
    assert "helper_words" not in sys.modules
    assert str(folder) not in sys.path
    assert list(signals_in(folder / "signals_mine.py")) == ["polite"]


def test_a_recipe_names_and_sets_it(folder):
    specs = {
        "kind": {"python": "signals_mine.py:polite"},
        "very_kind": {"python": "signals_mine.py:polite", "parameters": {"least": 2}},
    }
    known = build(specs, folder=folder)
    assert known["kind"].name == "kind"
    assert known["kind"]("please") is True
    assert known["very_kind"]("please") is False
    assert known["very_kind"].fingerprint != known["kind"].fingerprint


def test_a_changed_helper_is_loaded_again(folder):
    first = load_signal("signals_mine.py:polite", folder=folder, signal="x")
    assert load_signal("signals_mine.py:polite", folder=folder, signal="x") is first
    (folder / "helper_words.py").write_text("WORDS = ('danke',)\n", "utf-8")
    second = load_signal("signals_mine.py:polite", folder=folder, signal="x")
    assert second("danke") is True
    assert second.fingerprint != first.fingerprint


def test_two_folders_have_helpers_of_one_name(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "signals_mine.py").write_text(POLITE, "utf-8")
    (other / "helper_words.py").write_text("WORDS = ('bitte',)\n", "utf-8")
    first = load_signal("signals_mine.py:polite", folder=folder, signal="x")
    second = load_signal("signals_mine.py:polite", folder=other, signal="x")
    assert (first("bitte"), second("bitte")) == (False, True)


def test_a_folder_cannot_shadow_siftset(folder):
    (folder / "data").mkdir()
    for name in ("signals.py", "data/__init__.py", "pipeline.py", "json.py"):
        (folder / name).write_text("raise RuntimeError('the wrong file was imported')\n", "utf-8")
    code = (
        "from pathlib import Path; from siftset.signals.registry import build;"
        "known = build({'p': {'python': 'signals_mine.py:polite'}}, folder=Path.cwd());"
        "import siftset.data, siftset.signals, json; print(known['p']('please'))"
    )
    root = str(Path(siftset.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("signals_mine.py:polit", "has no 'polit'; signals there: polite"),
        ("signals_mine.py:number", "is a int, no signal; write @signal"),
        ("signals_mine:polite", "expected  python: file.py:function"),
        ("polite", "expected  python: file.py:function"),
        ("nowhere.py:polite", "there is no file 'nowhere.py'"),
        ("broken.py:polite", "cannot be loaded on line 2: SyntaxError"),
        ("needy.py:polite", "imports 'a_missing_module', which is not installed"),
        ("failing.py:polite", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("wrong.py:polite", "say what it returns"),
    ],
)
def test_what_cannot_be_loaded_says_why_in_one_line(folder, target, message):
    (folder / "broken.py").write_text("x = 1\ndef polite(:\n", "utf-8")
    (folder / "needy.py").write_text("import a_missing_module\n", "utf-8")
    (folder / "failing.py").write_text("1 / 0\n", "utf-8")
    wrong = "from siftset.signals.decorator import signal\n@signal\ndef polite(text: str): ...\n"
    (folder / "wrong.py").write_text(wrong, "utf-8")
    with pytest.raises(SignalError) as caught:
        load_signal(target, folder=folder, signal="mine")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


class _Package:
    def __init__(self, name: str) -> None:
        self.name = name


def _points(*found: tuple[str, str, str]):
    """Entry points as installed packages would give them."""
    made = []
    for kind, value, package in found:
        point = metadata.EntryPoint(kind, value, GROUP)
        vars(point)["dist"] = _Package(package)
        made.append(point)
    return lambda *, group: [point for point in made if point.group == group]


def test_entry_points(monkeypatch):
    found = _points(
        ("extent", "siftset.signals.builtin.text:length", "good-package"),
        ("gone", "no_such_module:thing", "broken-package"),
        ("odd", "siftset.signals.builtin.text:pl", "odd-package"),
        ("twice", "siftset.signals.builtin.text:length", "one"),
        ("twice", "siftset.signals.builtin.text:regex", "two"),
        ("keyword", "siftset.signals.builtin.text:regex", "taker"),
    )
    monkeypatch.setattr(metadata, "entry_points", found)
    assert build({"x": {"extent": {"min": 2}}}, folder=Path.cwd())["x"]("ab") is True
    listed = load_kinds()
    assert "broken-package (no_such_module:thing)" in str(listed["gone"])
    assert "expected a Family or Signal" in str(listed["odd"])
    assert (
        "one (siftset.signals.builtin.text:length) and two (siftset.signals.builtin.text:regex)"
        in str(listed["twice"])
    )
    assert "siftset itself and taker (siftset.signals.builtin.text:regex)" in str(listed["keyword"])
    assert listed["length"] is find_kind("length")
    with pytest.raises(SignalError, match="two sources claim the kind 'keyword'"):
        build({"x": {"keyword": {"words": ["a"]}}}, folder=Path.cwd())
