"""Users' code that ends processes, calls itself for ever or writes to stdout: codes and lines."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SIFTSET = Path(sys.executable).parent / "siftset"

HEAD = (
    "import ctypes, os, subprocess, sys\n\nimport polars as pl\n\nfrom siftset import signal\n\n\n"
)
BODIES = {
    "import": "fail()\n\n\n@signal\ndef mine(text: str) -> bool:\n    return True\n",
    "row": "@signal\ndef mine(text: str) -> bool:\n    fail()\n    return True\n",
    "batch": "@signal\ndef mine(text: pl.Series) -> pl.Series:\n    fail()\n    return text > ''\n",
    "expression": "@signal\ndef mine(text: pl.Expr) -> pl.Expr:\n    fail()\n    return text\n",
    "metric": "@signal\ndef mine(text: str) -> bool:\n    return True\n"
    "\n\ndef share(kept):\n    fail()\n    return 1\n",
}
ENDINGS = {
    "GeneratorExit": "raise GeneratorExit",
    "RecursionError": "return fail()",
    "SystemExit": "sys.exit(0)",
    "Stop": "raise type('Stop', (BaseException,), {})",
}


@pytest.fixture
def world(new_world):
    world = new_world(signals={"mine": {"python": "mine.py:mine"}}, keep="mine")
    world.texts("a", "the first text", "the second text")
    return world


def users_code(world, where, body):
    made = f"{HEAD}def fail():\n{textwrap.indent(body, '    ')}\n\n\n{BODIES[where]}"
    (world.folder / "mine.py").write_text(made)
    if where == "metric":
        world.change(integrity={"metrics": {"share": "mine.py:share"}})
    return world.path()


@pytest.mark.parametrize("where", BODIES)
@pytest.mark.parametrize("ending", ENDINGS)
def test_code_that_ends_the_process_is_an_error_of_one_line(world, run, where, ending):
    done = run("curate", users_code(world, where, ENDINGS[ending]), "--json")
    assert done.exit_code == (4 if where in ("row", "batch") else 2)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["exit_code"] == done.exit_code
    assert "Traceback" not in done.stderr
    assert ("integrity.metrics.share" if where == "metric" else "mine") in done.stderr
    assert not (world.folder / "out/set").exists()


@pytest.mark.parametrize("where", BODIES)
def test_memory_that_is_used_up_is_one_line(world, run, where):
    done = run("curate", users_code(world, where, "raise MemoryError"))
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: the memory is used up")
    assert ("in signal 'mine'" in last) == (where in ("row", "batch"))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["import", "row"])
def test_what_c_and_processes_write_stays_out_of_the_json(world, where):
    body = "print('py'); ctypes.CDLL(None).puts(b'from C'); subprocess.run(['echo', 'child'])\n"
    command = [SIFTSET, "curate", users_code(world, where, f"{body}os.write(1, b'raw')"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["rows"]["kept"] == 2
    assert done.returncode == 0
    assert all(said in done.stderr for said in ("py", "from C", "child", "raw"))
