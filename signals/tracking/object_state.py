"""What an object holds, read without calling any method of its own."""

from __future__ import annotations

import sys
import weakref
from _thread import _local
from collections.abc import Iterator
from types import CellType, MemberDescriptorType

from siftset.signals.tracking.own_code import is_kind


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


def plain_form(value: object) -> object:
    """Give the content of an object that does not tell it, or tells it otherwise each time.

    Those are weak references, what belongs to a thread, and tensors, whose saved form holds
    addresses. None for all other objects.
    """
    if is_kind(value, weakref.ReferenceType):
        return ("reference", value())  # type: ignore[operator]
    if is_kind(value, weakref.WeakValueDictionary):
        return dict(value.items())  # type: ignore[attr-defined]
    if is_kind(value, weakref.WeakSet):
        return frozenset(value)  # type: ignore[call-overload]
    if is_kind(value, _local):
        return dict(vars(value))
    torch = sys.modules.get("torch")
    if torch is None or not is_kind(value, torch.Tensor):
        return None
    try:
        flat = value.detach().cpu().contiguous().reshape(-1)  # type: ignore[attr-defined]
        content = flat.view(torch.uint8).numpy().tobytes()
    except (RuntimeError, TypeError):  # sparse or quantized
        return None
    return (str(value.dtype), list(value.shape), content)  # type: ignore[attr-defined]
