"""The source of functions as trees, and the names and texts that stand in it."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType


@functools.lru_cache(maxsize=64)
def parse_file(content: bytes) -> ast.Module:
    """Parse a file, once for all functions in it."""
    return ast.parse(content)


def trees_of(code: CodeType) -> list[ast.AST]:
    """Find the definitions that a code object may come from: several lambdas share a line."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    try:
        module = parse_file(text.encode())
    except (SyntaxError, ValueError):
        return []
    found: list[ast.AST] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Lambda):
            right = code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            right = node.name == code.co_name and first == code.co_firstlineno
        else:
            continue
        if right:
            found.append(node)
    return found


def strip_docstrings(tree: ast.AST, *, top: bool) -> ast.AST:
    """Copy a tree without docstrings, and of the signal itself without decorators and name."""
    import copy

    tree = copy.deepcopy(tree)
    owners = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            node.body[:] = node.body[1:] or [ast.Pass()]
    if top and isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        tree.decorator_list, tree.name = [], "_"
    return tree


def names_in(trees: Sequence[ast.AST]) -> list[str]:
    """List the names that trees read, each with the attributes taken of it, sorted."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    found = (dotted_name(node) for node in nodes if id(node) not in inner)
    return sorted({name for name in found if name is not None})


def dotted_name(node: ast.AST) -> str | None:
    """Give a name with the attributes taken of it, as a.b.c; None for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def names_of_code(code: CodeType) -> list[str]:
    """List the names that compiled code reads, sorted: for code without source."""
    names = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        names |= set(names_of_code(constant)) if isinstance(constant, CodeType) else set()
    return sorted(names)


def texts_of_code(code: CodeType) -> Iterator[str]:
    """Give the texts that stand in compiled code."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from texts_of_code(constant)


def find_imports(tree: ast.AST, path: Path) -> tuple[set[Path], dict[str, set[str]]]:
    """Find the files that a file imports from beside it, and the names of all other modules.

    Each of the others comes with what is imported from it, which may be modules in turn. A file's
    own folder is on the path of imports only while it is loaded, and so is looked into here.
    """
    beside: set[Path] = set()
    elsewhere: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [(one.name, list[str]()) for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted = [(node.module or "", [one.name for one in node.names])]
        else:
            continue
        level = getattr(node, "level", 0)
        folder = path.parents[max(level - 1, 0)]
        for module, parts in wanted:
            place = folder.joinpath(*filter(None, module.split(".")))
            above, name = (place, "") if not module else (place.parent, place.name)
            found = [*modules_in([above], [name]), *modules_in([place], parts)]
            beside.update(map(Path, found))
            if not found and not level:
                elsewhere.setdefault(module, set()).update(parts)
    return beside, elsewhere


def modules_in(folders: Iterable[str | Path], names: Iterable[str]) -> list[str]:
    """List the files of the modules and packages of these names in folders."""
    named = [Path(folder) / name for name in names if name for folder in folders]
    tried = [file for one in named for file in (Path(f"{one}.py"), one / "__init__.py")]
    return [str(file) for file in tried if file.is_file()]
