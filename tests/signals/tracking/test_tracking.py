"""What a signal depends on, changed or not, in every style: noticed, unchanged, or named.

Each case is loaded in one process before its change and in another one after it, with another hash
seed; a process loads all cases.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import siftset

HOME = Path(siftset.__file__).parents[1]
STYLES = {
    "expression": "def s(text: pl.Expr) -> pl.Expr:\n    return text.str.len_chars() > {use}",
    "batch": "def s(text: pl.Series) -> pl.Series:\n    return text.str.len_chars() > {use}",
    "row": "def s(text: str) -> bool:\n    return len(text) > {use}",
}
PROGRAM = """
import json, os, sys
from pathlib import Path
from siftset.signals.plugins import load_signal
found = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    os.chdir(folder)
    sys.path.insert(0, str(folder / "lib"))
    before = set(sys.modules)
    try:
        signal = load_signal("mine.py:s", folder=folder, signal="s")
        found[folder.name] = [signal.fingerprint, signal.score_fingerprint,
                              list(signal.function.trace.untracked)]
    except Exception as error:
        found[folder.name] = [repr(error)] * 2 + [[]]
    sys.path.remove(str(folder / "lib"))
    for name in set(sys.modules) - before:
        if not name.startswith(("siftset", "numpy", "polars", "functools")):
            del sys.modules[name]
print(json.dumps(found))
"""


class Case(NamedTuple):
    """Code above the signal, what its body uses, and what is changed in which file."""

    setup: str
    use: str
    old: str
    new: str
    noticed: bool | None = True
    """None where it is named as untracked instead."""
    files: tuple[tuple[str, str], ...] = ()
    top: str = "@signal"
    environment: str = ""


HELPER = "def f():\n    return deep()\ndef deep():\n    return 10\ndef unused():\n    return 1\n"
WRAP = (
    "import functools\ndef more(function):\n    @functools.wraps(function)\n"
    "    def wrapper(*given):\n        return function(*given) + 0\n    return wrapper\n"
    "@more\ndef f():\n    return 10\n"
)
CASES = {
    "nothing": Case("LIMIT = 3", "LIMIT", "", "", False),
    "a comment": Case("LIMIT = 3", "LIMIT", "LIMIT = 3", "LIMIT = 3  # few", False),
    "layout": Case("LIMIT = max(3, 2)", "LIMIT", "max(3, 2)", "max(3,\n    2)", False),
    "a constant": Case("LIMIT = 3", "LIMIT", "LIMIT = 3", "LIMIT = 4"),
    "an unused constant": Case("LIMIT = 3\nREST = 1", "LIMIT", "REST = 1", "REST = 2", False),
    "zero and minus zero": Case("LIMIT = 0.0", "LIMIT", "0.0", "-0.0"),
    "one and one point": Case("LIMIT = 1", "LIMIT", "LIMIT = 1", "LIMIT = 1.0"),
    "a list": Case("WORDS = [1, 2]", "len(WORDS)", "[1, 2]", "[1, 3]"),
    "a set's order": Case("W = {'a', 'b', 'c'}", "len(W)", "{'a', 'b', 'c'}", "{'c', 'b', 'a'}",
                          False),
    "a set": Case("W = {'a', 'b'}", "len(W)", "{'a', 'b'}", "{'a', 'c'}"),
    "a dict in a list": Case("W = [{'a': 1}]", "len(W)", "'a': 1", "'a': 2"),
    "a pattern": Case("import re\nP = re.compile('a')", "len(P.pattern)", "'a'", "'b'"),
    "a helper": Case("def f():\n    return 3", "f()", "return 3", "return 4"),
    "a helper's docstring": Case("def f():\n    'Gives.'\n    return 3", "f()", "Gives", "Is",
                                 False),
    "a helper's default": Case("def f(a=3):\n    return a", "f()", "a=3", "a=4"),
    "a helper of a helper": Case("def g():\n    return 3\ndef f():\n    return g()", "f()",
                                 "return 3", "return 4"),
    "a function that wraps": Case(WRAP, "f()", "+ 0", "+ 1"),
    "a wrapped function": Case(WRAP, "f()", "return 10", "return 11"),
    "a comment beside a partial": Case("import functools\ndef g(a):\n    return a\n"
                                       "f = functools.partial(g, 3)", "f()", "return a",
                                       "return a  # it", False),
    "a partial's function": Case("import functools\ndef g(a):\n    return a\n"
                                 "f = functools.partial(g, 3)", "f()", "return a", "return -a"),
    "a partial's argument": Case("import functools\ndef g(a):\n    return a\n"
                                 "f = functools.partial(g, 3)", "f()", "g, 3", "g, 4"),
    "np.vectorize": Case("import numpy as np\ndef g(a):\n    return a + 1\nf = np.vectorize(g)",
                         "int(f(1))", "a + 1", "a + 2"),
    "a cached function": Case("import functools\n@functools.cache\ndef f():\n    return 3", "f()",
                              "return 3", "return 4"),
    "singledispatch": Case("import functools\n@functools.singledispatch\ndef f(a):\n    return 1\n"
                           "@f.register\ndef g(a: int):\n    return 3", "f(1)", "return 3",
                           "return 4"),
    "a lambda": Case("f = lambda: 3", "f()", "lambda: 3", "lambda: 4"),
    "a lambda's set": Case("f = lambda a: a in {'x', 'y', 'z'}", "int(f('x'))", "", "", False),
    "two lambdas on a line": Case("f, g = (lambda: 3), (lambda: 5)", "f() + g()", "5", "6"),
    "a helper in a lambda": Case("import helper\nf = lambda: helper.f()", "f()", "return 10",
                                 "return 11", files=(("helper.py", HELPER),)),
    "a closure": Case("def make(n):\n    def f():\n        return n\n    return f\nf = make(3)",
                      "f()", "make(3)", "make(4)"),
    "a class attribute": Case("class C:\n    limit = 3", "C.limit", "limit = 3", "limit = 4"),
    "an attribute set later": Case("class C:\n    pass\nC.limit = 3", "C.limit", "= 3", "= 4"),
    "a method": Case("class C:\n    def f(self):\n        return 3\nc = C()", "c.f()", "return 3",
                     "return 4"),
    "an instance's state": Case("class C:\n    def __init__(self, n):\n        self.n = n\n"
                                "c = C(3)", "c.n", "C(3)", "C(4)"),
    "a base class": Case("class B:\n    def f(self):\n        return 3\nclass C(B):\n    pass\n"
                         "c = C()", "c.f()", "return 3", "return 4"),
    "slots": Case("class C:\n    __slots__ = ('n',)\n    def __init__(self, n):\n"
                  "        self.n = n\nc = C(3)", "c.n", "C(3)", "C(4)"),
    "a slots dataclass": Case("from dataclasses import dataclass\n@dataclass(slots=True)\n"
                              "class C:\n    n: int\n    words: frozenset\n"
                              "c = C(3, frozenset('abc'))", "c.n", "C(3,", "C(4,"),
    "a slots dataclass again": Case("from dataclasses import dataclass\n@dataclass(slots=True)\n"
                                    "class C:\n    n: int\n    words: frozenset\n"
                                    "c = C(3, frozenset('abc'))", "c.n", "", "", False),
    "a NamedTuple": Case("from typing import NamedTuple\nclass C(NamedTuple):\n    n: int\n"
                         "c = C(3)", "c.n", "C(3)", "C(4)"),
    "a dict subclass": Case("class C(dict):\n    pass\nc = C(a=3)", "c['a']", "a=3", "a=4"),
    "an attribute called identity": Case("class C:\n    def __init__(self, n):\n"
                                         "        self.n, self.identity = n, 'same'\nc = C(3)",
                                         "c.n", "C(3)", "C(4)"),
    "an enum": Case("import enum\nclass C(enum.Enum):\n    A = 3", "C.A.value", "A = 3", "A = 4"),
    "an array": Case("import numpy as np\nA = np.array([3])", "int(A[0])", "[3]", "[4]"),
    "a date": Case("import datetime\nD = datetime.date(2020, 1, 3)", "D.day", "1, 3", "1, 4"),
    "a helper's file": Case("import helper", "helper.f()", "return 10", "return 11",
                            files=(("helper.py", HELPER),)),
    "a name of a helper's file": Case("from helper import f", "f()", "return 10", "return 11",
                                      files=(("helper.py", HELPER),)),
    "what is not used of a helper": Case("from helper import f", "f()", "return 1\n",
                                         "return 2\n", False, (("helper.py", HELPER),)),
    "a package beside": Case("from parts.inner import f", "f()", "return 10", "return 11",
                             files=(("parts/inner.py", HELPER),)),
    "a helper elsewhere on the path": Case("import far", "far.f()", "return 10", "return 11",
                                           files=(("lib/far.py", HELPER),)),
    "an import inside": Case("def f():\n    import far\n    return far.f()", "f()", "return 10",
                             "return 11", files=(("lib/far.py", HELPER),)),
    "getattr of a helper": Case("import helper\ndef f():\n    return getattr(helper, 'f')()",
                                "f()", "return 10", "return 11", files=(("helper.py", HELPER),)),
    "a file read at load": Case("with open('n.txt') as file:\n    N = int(file.read())\n"
                                "def f():\n    return 3", "f()", "10", "11",
                                files=(("n.txt", "10"),)),
    "a file that is named": Case("def f():\n    with open('n.txt') as file:\n"
                                 "        return int(file.read())", "f()", "10", "11",
                                 files=(("n.txt", "10"),)),
    "a table that polars reads": Case("def f():\n    return pl.read_csv('n.csv')['n'][0]", "f()",
                                      "10", "11", files=(("n.csv", "n\n10\n"),)),
    "an environment variable": Case("import os\ndef f():\n    return int(os.environ['N'])", "f()",
                                    "", "", environment="N"),
    "os.getenv": Case("import os\ndef f():\n    return int(os.getenv('N'))", "f()", "", "",
                      environment="N"),
    "a variable that is not named": Case("import os\nNAME = 'N'\ndef f():\n"
                                         "    return int(os.environ[NAME])", "f()", "", "", None),
    "a lock": Case("import threading\nL = threading.Lock()", "L.locked() + 3", "", "", False),
    "what cannot be hashed": Case("O = (n for n in [3])", "len(O.__name__)", "", "", None),
    "another polars expression": Case("E = pl.col('a') > 3", "len(str(E))", "> 3", "> 4"),
    "pl.col": Case("from polars import col", "len(str(col('a')))", "col('a')", "col('b')"),
}  # fmt: skip


def write(folder: Path, case: Case, style: str, old: str, new: str) -> None:
    text = "import polars as pl\nfrom siftset import signal\n" + case.setup + "\n\n" + case.top
    text += "\n" + STYLES[style].replace("{use}", case.use) + "\n"
    files = {"mine.py": text, **dict(case.files)}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.replace(old, new) if old else content, "utf-8")
    (folder / "lib").mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[object]]]:
    """What the two processes say of every case."""
    root = tmp_path_factory.mktemp("cases")
    answers = []
    for seed, changed in (("1", False), ("2", True)):
        for name, case in CASES.items():
            for style in STYLES:
                new = case.new if changed else case.old
                write(root / f"{name}, {style}", case, style, case.old, new)
        environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONHASHSEED": seed, "N": seed}
        command = [sys.executable, "-B", "-c", PROGRAM, str(root)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    return answers


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", CASES)
def test_what_changed_is_noticed_and_what_did_not_is_not(found, name: str, style: str) -> None:
    case = CASES[name]
    before, after = (one[f"{name}, {style}"] for one in found)
    assert "Error" not in before[0] + after[0], before
    for print_before, print_after in zip(before[:2], after[:2], strict=True):
        assert (print_before != print_after) is bool(case.noticed)
    assert bool(after[2]) is (case.noticed is None), after[2]
