"""Ways to change what a signal depends on, or something that it does not depend on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

STYLES = {
    "expression": "def {style}({name}: pl.Expr{more}) -> pl.Expr:\n"
    "    '''Long.'''\n    return {name}.str.len_chars() > {use}",
    "batch": "def {style}({name}: pl.Series{more}) -> pl.Series:\n"
    "    '''Long.'''\n    return {name}.str.len_chars() > {use}",
    "row": "def {style}({name}: str{more}) -> bool:\n"
    "    '''Long.'''\n    return len({name}) > {use}",
}


class Case(NamedTuple):
    """Code above the signals, what their bodies use, and what is changed in which file."""

    setup: str
    use: str
    old: str
    new: str
    noticed: bool | None = True
    """None where it is named as untracked instead."""
    files: tuple[tuple[str, str], ...] = ()
    top: str = "@signal"
    more: str = ""
    """More arguments."""
    given: str = "{}"
    """Parameters in the recipe."""
    name: str = "text"
    """The argument that is asked about."""
    styles: tuple[str, ...] = tuple(STYLES)


HELPER = "def f():\n    return deep()\ndef deep():\n    return 10\ndef unused():\n    return 1\n"
WRAP = (
    "import functools\ndef more(function):\n    @functools.wraps(function)\n"
    "    def wrapper(*given):\n        return function(*given) + 0\n    return wrapper\n"
    "@more\ndef f():\n    return 10\n"
)


def dist(name: str, *modules: str) -> tuple[tuple[str, str], ...]:
    """Give the files of an installed distribution, version 1.0, and what is imported of it."""
    place = f"lib/site-packages/{name}-0.dist-info"
    return (
        (f"{place}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"),
        (f"{place}/top_level.txt", "\n".join(modules or (name,))),
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
                                 "f = functools.partial(g, 3)", "f()", "return a", "return a + 1"),
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
                                    "", ""),
    "os.getenv": Case("import os\ndef f():\n    return int(os.getenv('N'))", "f()", "", ""),
    "a variable that is not named": Case("import os\ndef f():\n"
                                         "    return int(os.environ['N' + ''])", "f()", "", "",
                                         None),
    "a variable that a constant names": Case("import os\nNAME = 'N'\ndef f():\n"
                                             "    return int(os.environ[NAME])", "f()", "", ""),
    "whether a variable is set": Case("import os\ndef f():\n    return 3 + ('NO' in os.environ)",
                                      "f()", "", "", False),
    "a lock": Case("import threading\nL = threading.Lock()", "L.locked() + 3", "", "", False),
    "what cannot be hashed": Case("O = (n for n in [3])", "len(O.__name__)", "", "", None),
    "another polars expression": Case("E = pl.col('a') > 3", "len(str(E))", "> 3", "> 4"),
    "pl.col": Case("from polars import col", "len(str(col('a')))", "col('a')", "col('b')"),
    "the body": Case("", "3", "> 3", "> 4"),
    "a comparison": Case("", "3", "> 3", ">= 3"),
    "a docstring": Case("", "3", "Long", "Longer", False),
    "a comment in the body": Case("", "3", "> 3", "> 3  # few", False),
    "lines above": Case("", "3", "import polars as pl\n", "import polars as pl\n\n\n# more\n",
                        False),
    "an import that is not used": Case("", "3", "import polars as pl\n",
                                       "import polars as pl\nimport json\n", False),
    "an example": Case("", "3", "'a', False", "'b', False", False,
                       top="@signal(examples=[('a', False)])"),
    "what a null is": Case("", "3", "'unknown'", "'handle'", top="@signal(nulls='unknown')"),
    "a parameter's default": Case("", "limit", "= 3", "= 4", more=", *, limit: int = 3"),
    "a parameter": Case("", "limit", '": 5', '": 6', more=", *, limit: int = 3",
                        given='{"limit": 5}'),
    "a parameter at its default": Case("", "limit", '"parameters": {}',
                                       '"parameters": {"limit": 3}', False,
                                       more=", *, limit: int = 3"),
    "a resource": Case("", "len(words)", "two", "two\nthree", files=(("n.txt", "one\ntwo\n"),),
                       top="@signal(resources={'words': 'n.txt'})", more=", *, words: list[str]"),
    "the ends of a resource's lines": Case(
        "", "len(words)", "e\n", "e\r\n", False, (("n.txt", "one\ntwo\n"),),
        top="@signal(resources={'words': 'n.txt'})", more=", *, words: list[str]"),
    "the order of a set of words": Case(
        "", "len(words)", "one\ntwo", "two\none", False, (("n.txt", "one\ntwo\n"),),
        top="@signal(resources={'words': 'n.txt'})", more=", *, words: set[str]"),
    "a comment in a resource": Case(
        "", "len(words)", "# few", "# more", False, (("n.txt", "# few\none\n"),),
        top="@signal(resources={'words': 'n.txt'})", more=", *, words: list[str]"),
    "a resource of JSON": Case("", "table['n']", ": 3", ": 4", files=(("n.json", '{"n": 3}'),),
                               top="@signal(resources={'table': 'n.json'})",
                               more=", *, table: dict"),
    "what loads a resource": Case("def load():\n    return 3", "n", "return 3", "return 4",
                                  top="@signal(resources={'n': load})", more=", *, n: int"),
    "a preprocessor": Case("@preprocessor\ndef low(text: str) -> str:\n    return text * 2",
                           "3", "* 2", "* 3", top="@signal(pre=[low])", name="low",
                           styles=("row",)),
    "a comment in a preprocessor": Case(
        "@preprocessor\ndef low(text: str) -> str:\n    return text * 2", "3", "* 2",
        "* 2  # twice", False, top="@signal(pre=[low])", name="low", styles=("row",)),
    "a tuple": Case("T = (1, (2, 3))", "T[1][1]", "3))", "4))"),
    "bytes": Case("B = b'abc'", "len(B)", "abc", "abcd"),
    "a number of another kind": Case("from decimal import Decimal\nD = Decimal('3.1')", "int(D)",
                                     "3.1", "4.1"),
    "a duration": Case("import datetime\nD = datetime.timedelta(days=3)", "D.days", "=3", "=4"),
    "a counter": Case("from collections import Counter\nC = Counter('aaab')", "C['a']", "aaab",
                      "aaaab"),
    "a deque": Case("from collections import deque\nD = deque([3])", "D[0]", "[3]", "[4]"),
    "a default dict": Case("from collections import defaultdict\nD = defaultdict(lambda: 3)",
                           "D['x']", ": 3", ": 4"),
    "a series": Case("S = pl.Series([3])", "int(S[0])", "[3]", "[4]"),
    "a frame": Case("F = pl.DataFrame({'a': [3]})", "int(F['a'][0])", "[3]", "[4]"),
    "a type of polars": Case("T = pl.List(pl.Int8)", "len(str(T))", "Int8", "Int16"),
    "a pattern's flags": Case("import re\nP = re.compile('a', re.I)", "int(P.flags) % 7", "re.I",
                              "re.M"),
    "a property": Case("class C:\n    @property\n    def n(self):\n        return 3\nc = C()",
                       "c.n", "return 3", "return 4"),
    "a class method": Case("class C:\n    @classmethod\n    def f(cls):\n        return 3", "C.f()",
                           "return 3", "return 4"),
    "a callable object": Case("class C:\n    def __call__(self):\n        return 3\nc = C()", "c()",
                              "return 3", "return 4"),
    "a cached property": Case("import functools\nclass C:\n    @functools.cached_property\n"
                              "    def n(self):\n        return 3\nc = C()", "c.n", "return 3",
                              "return 4"),
    "a default factory": Case("from dataclasses import dataclass, field\ndef made():\n"
                              "    return 3\n@dataclass\nclass C:\n"
                              "    n: int = field(default_factory=made)", "C().n", "return 3",
                              "return 4"),
    "a flag of sets": Case("import enum\nclass C(enum.Flag):\n    A = 1\n    B = 2\n"
                           "W = {C.A: frozenset('xyz')}", "len(W[C.A])", "", "", False),
    "a default that is a list": Case("def f(a=[3]):\n    return a[0]", "f()", "[3]", "[4]"),
    "a nested function": Case("def f():\n    def g():\n        return 3\n    return g()", "f()",
                              "return 3", "return 4"),
    "a recursion": Case("def f(n=3):\n    return n if n < 5 else f(n - 1)", "f(9)", "< 5", "< 6"),
    "an item getter": Case("import operator\nG = operator.itemgetter(0)", "G([3, 4])", "(0)",
                           "(1)"),
    "what is chosen while loading": Case("if 3 > 2:\n    def f():\n        return 3\nelse:\n"
                                         "    def f():\n        return 4", "f()", "3 > 2", "1 > 2"),
    "a list that is filled later": Case("W = []\nfor n in range(3):\n    W.append(n)", "len(W)",
                                        "range(3)", "range(4)"),
    "a star import": Case("from helper import *", "f()", "return 10", "return 11",
                          files=(("helper.py", HELPER),)),
    "a helper under another name": Case("import helper as h", "h.f()", "return 10", "return 11",
                                        files=(("helper.py", HELPER),)),
    "a module in a variable": Case("import helper\nh = helper", "h.f()", "return 10", "return 11",
                                   files=(("helper.py", HELPER),)),
    "a helper's attribute that is set": Case("import helper\nhelper.N = 3", "helper.N", "= 3",
                                             "= 4", files=(("helper.py", "N = 1\n"),)),
    "what a package passes on": Case(
        "from parts import f", "f()", "return 10", "return 11",
        files=(("parts/__init__.py", "from .inner import f\n"), ("parts/inner.py", HELPER))),
    "a relative import": Case(
        "from parts.outer import f", "f()", "return 10", "return 11",
        files=(("parts/outer.py", "from .inner import f as g\ndef f():\n    return g()\n"),
               ("parts/inner.py", HELPER))),
    "eval": Case("import helper\ndef f():\n    return eval('helper.f()')", "f()", "return 10",
                 "return 11", files=(("helper.py", HELPER),)),
    "a part of a package, by getattr": Case(
        "from parts import inner\ndef f():\n    return getattr(inner, 'f')()", "f()", "return 10",
        "return 11", files=(("parts/inner.py", HELPER),)),
    "a part of a package elsewhere, by getattr": Case(
        "from lot import inner\ndef f():\n    return getattr(inner, 'f')()", "f()", "return 10",
        "return 11", files=(("lib/lot/__init__.py", ""), ("lib/lot/inner.py", HELPER))),
    "code without source": Case("exec('def f(): return 3')", "f()", "return 3", "return 4"),
    "a file that a constant names": Case("NAME = 'n.txt'\ndef f():\n    with open(NAME) as file:\n"
                                         "        return int(file.read())", "f()", "10", "11",
                                         files=(("n.txt", "10"),)),
    "a file that a path names": Case("from pathlib import Path\nP = Path('n.txt')\ndef f():\n"
                                     "    return int(P.read_text())", "f()", "10", "11",
                                     files=(("n.txt", "10"),)),
    "a file beside the code": Case(
        "from pathlib import Path\ndef f():\n"
        "    return int((Path(__file__).parent / 'n.txt').read_text())", "f()", "10", "11",
        files=(("n.txt", "10"),)),
    "a file in a folder": Case("def f():\n    with open('data/n.txt') as file:\n"
                               "        return int(file.read())", "f()", "10", "11",
                               files=(("data/n.txt", "10"),)),
    "a file that a default names": Case("def f(name='n.txt'):\n    with open(name) as file:\n"
                                        "        return int(file.read())", "f()", "10", "11",
                                        files=(("n.txt", "10"),)),
    "a variable with a default": Case("import os\ndef f():\n"
                                      "    return int(os.environ.get('N', '9'))", "f()", "", ""),
    "environ by itself": Case("from os import environ\ndef f():\n    return int(environ['N'])",
                              "f()", "", ""),
    "getenv by itself": Case("from os import getenv\ndef f():\n    return int(getenv('N'))", "f()",
                             "", ""),
    "environ and another variable": Case("from os import environ\ndef f():\n"
                                         "    return int(environ.get('M', '3'))", "f()", "", "",
                                         False),
    "the whole environment": Case("import os\ndef f():\n    return int(dict(os.environ)['N'])",
                                  "f()", "", "", None),
    "a package's version": Case(
        "import acme_said", "len(acme_said.__name__)", "1.0", "1.1",
        files=(("lib/site-packages/acme_said/__init__.py", "__version__ = '1.0'\n"),)),
    "a distribution's version": Case(
        "import acme_told\ndef f():\n    return acme_told.f()", "f()", "1.0", "1.1",
        files=(("lib/site-packages/acme_told/__init__.py", HELPER), *dist("acme_told"))),
    "a distribution of another name": Case(
        "from acme_inner import f", "f()", "1.0", "1.1",
        files=(("lib/site-packages/acme_inner/__init__.py", HELPER),
               *dist("acme_outer", "acme_inner"))),
    "a package that is imported inside": Case(
        "def f():\n    import acme_late\n    return acme_late.f()", "f()", "1.0", "1.1",
        files=(("lib/site-packages/acme_late/__init__.py", HELPER), *dist("acme_late"))),
    "a signal of a package": Case(
        "from acme_sig import made", "made(1)", "1.0", "1.1",
        files=(("lib/site-packages/acme_sig/__init__.py", "def made(n):\n    return n\n"),
               *dist("acme_sig"))),
    "what a weak reference leads to": Case(
        "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(3)\n"
        "R = weakref.ref(c)", "R().n", "C(3)", "C(4)"),
    "what belongs to a thread": Case("import threading\nL = threading.local()\nL.n = 3",
                                     "3 + 0 * len(str(L))", "n = 3", "n = 4"),
    "an event": Case("import threading\nE = threading.Event()\nE.set()", "3 + E.is_set()",
                     "E.set()", "pass"),
    "a metaclass": Case("class M(type):\n    @property\n    def n(cls):\n        return 3\n"
                        "class C(metaclass=M):\n    pass", "C.n", "return 3", "return 4"),
    "a tensor": Case("import torch\nT = torch.tensor([3.0])", "int(T[0])", "[3.0]", "[4.0]"),
    "a tensor again": Case("import torch\nT = torch.tensor([3.0], dtype=torch.bfloat16)",
                           "int(T[0])", "", "", False),
    "a layer again": Case("import torch\nT = torch.nn.Linear(2, 2)\n"
                          "with torch.no_grad():\n    T.weight.fill_(3), T.bias.fill_(0)",
                          "int(T.weight[0, 0])", "", "", False),
}  # fmt: skip
if find_spec("torch") is None:
    CASES = {name: case for name, case in CASES.items() if "import torch" not in case.setup}
