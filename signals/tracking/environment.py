"""The environment variables that code reads, by the names that it gives them."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Final, NamedTuple

from siftset.signals.tracking.source_code import dotted_name

_USUAL: Final[Mapping[str, object]] = {
    "os": os,
    "environ": os.environ,
    "getenv": os.getenv,
}
"""What names stand for that are imported inside a function, and so are not in its scope."""
WHOLE: Final = "the environment, which is read as a whole"


class Variables(NamedTuple):
    """What a tree reads of the environment."""

    names: tuple[str, ...]
    untracked: tuple[str, ...]
    """What cannot be named before the code runs."""


def find_variables(tree: ast.AST, scope: Mapping[str, object]) -> Variables:
    """Find the variables that a tree names as texts or as constants of its scope."""
    names: dict[str, None] = {}
    untracked: dict[str, None] = {}
    told: set[int] = set()
    for node in ast.walk(tree):  # a node comes before what it is made of
        match node:
            case ast.Subscript(value=read, slice=key) if _stands_for(read, scope) is os.environ:
                pass
            case ast.Call(func=ast.Attribute(value=read), args=[key, *_]) if (
                _stands_for(read, scope) is os.environ
            ):
                pass
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[read]) if (
                _stands_for(read, scope) is os.environ
            ):
                pass
            case ast.Call(func=read, args=[key, *_]) if _stands_for(read, scope) is os.getenv:
                pass
            case ast.Name() | ast.Attribute() if id(node) not in told:
                if _stands_for(node, scope) in (os.environ, os.getenv):
                    untracked[WHOLE] = None
                continue
            case _:
                continue
        told.add(id(read))
        name = key.value if isinstance(key, ast.Constant) else _stands_for(key, scope)
        if isinstance(name, str):
            names[name] = None
        else:
            untracked[f"the environment variable {ast.unparse(key)}"] = None
    return Variables(tuple(names), tuple(untracked))


def _stands_for(node: ast.AST, scope: Mapping[str, object]) -> object:
    """Give the text, environment or function that a name stands for; None for anything else."""
    dotted = dotted_name(node)
    if dotted is None:
        return None
    name, *attributes = dotted.split(".")
    found = scope.get(name, _USUAL.get(name))
    for attribute in attributes:
        found = vars(found).get(attribute) if type(found) is ModuleType else None
    known = type(found) is str or found is os.environ or found is os.getenv
    return found if known else None
