"""Private names of libraries that are used: listed in the docs, and still there."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs" / "architecture.md"
ROW = re.compile(r"^\| `([\w.]+)` \| `([\w./]+)` \| (.+) \|$", re.MULTILINE)
LISTED = ROW.findall(PAGE.read_text("utf-8").partition("## Private names of libraries")[2])
USED_AS = {
    "torch._dynamo.OptimizedModule": "_orig_mod",
    "ray._private.worker.init": "_node_ip_address",
}


def find_missing(dotted: str) -> str:
    """Say which part of a dotted name is gone; nothing where all are there."""
    module, rest = dotted, list[str]()
    while True:
        try:
            found: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
            if not module:
                raise
    for name in rest:
        # what an instance is given by its __init__ stands in the source of its class alone
        if not hasattr(found, name) and name not in _names_set_by(found):
            return f"{getattr(found, '__name__', found)} has no {name}"
        found = getattr(found, name, None)
    return ""


def _names_set_by(owner: object) -> set[str]:
    found: set[str] = set()
    for one in inspect.getmro(owner) if inspect.isclass(owner) else ():
        with suppress(OSError, TypeError):  # of a class without Python source
            found |= set(re.findall(r"self\.(_?\w+)\b.* = ", inspect.getsource(one)))
    return found


@pytest.mark.parametrize(("dotted", "file", "_why"), LISTED, ids=[row[0] for row in LISTED])
def test_a_private_name_is_still_there(dotted: str, file: str, _why: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(dotted.partition(".")[0])
        missing = find_missing(dotted)
    assert not missing, f"{missing}: it is used in {file}; see 'Private names of libraries'"
    used = USED_AS.get(dotted, dotted.rpartition(".")[2])
    assert used in (HOME / file).read_text("utf-8"), f"{used} is not used in {file} any more"


def test_the_list_is_read_and_a_name_that_went_is_told() -> None:
    assert len(LISTED) > 15
    assert find_missing("numpy.ndarray._gone") == "ndarray has no _gone"
    assert find_missing("json.gone") == "json has no gone"
