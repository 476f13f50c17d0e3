"""What an object holds, read without calling any method of its own."""

from __future__ import annotations

from collections.abc import Iterator
from types import CellType, MemberDescriptorType


def cell_contents(cell: CellType) -> object:
    """Give what a function closes over; None for a cell that is not filled yet."""
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet: a function that refers to itself while it is made
        return None


def state_of(value: object) -> dict[str, object]:
    """Give the attributes that an object holds, in its __dict__ and in slots."""
    state: dict[str, object] = {}
    for base in type(value).__mro__:
        for name, slot in vars(base).items() if "__slots__" in vars(base) else ():
            if isinstance(slot, MemberDescriptorType) and not name.startswith("__"):
                try:
                    state[name] = slot.__get__(value)
                except AttributeError:
                    continue
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = {}
    return {**state, **held} if type(held) is dict else state


def contents_of(value: object) -> Iterator[object]:
    """Give what an object holds that is also a text, a number or a container."""
    # by the built-in types' own methods, so that no method of a subclass is called
    if isinstance(value, dict):
        yield list(dict.items(value))
    elif isinstance(value, list | tuple | set | frozenset):
        base = next(one for one in (list, tuple, set, frozenset) if isinstance(value, one))
        items = list(base.__iter__(value))  # type: ignore[arg-type]
        yield frozenset(items) if base in (set, frozenset) else items
    else:
        for plain in (str, int, float, bytes):
            if isinstance(value, plain):
                yield plain.__repr__(value)
