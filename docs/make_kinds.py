"""Write docs/kinds.md from the kinds themselves: python docs/make_kinds.py"""

from __future__ import annotations

from pathlib import Path

from siftset.signals.family import Family
from siftset.signals.registry import KINDS, load_builtin

HEAD = """# Kinds of signals

Made by `python docs/make_kinds.py` from the code; `siftset signals show KIND` prints one of them.
Every kind takes `column` (default `text`); one that gives a score takes `min` and `max`, both
inclusive, or is compared in the formula.
"""


def row(family: Family) -> str:
    given = [
        f"`{name}`" + (f": {field.description.rstrip('.')}" if field.description else "")
        for name, field in family.parameters.model_fields.items()
        if name not in ("column", "min", "max")
    ]
    facts = [
        f"\n## {family.kind}\n\n{family.description}\n",
        f"- **Parameters:** {'; '.join(given)}" if given else None,
        f"- **Nulls:** {'handled' if family.nulls == 'handle' else 'unknown'}",
        f"- **Definition:** {family.definition}",
    ]
    examples = [
        f"  - `{dict(example.parameters)}` of `{example.value!r}` is `{example.expected}`"
        for example in family.examples
        if example.value is not None
    ]
    if examples:
        facts += ["- **Examples:**", *examples]
    return "\n".join(fact for fact in facts if fact is not None)


def page() -> str:
    return "\n".join([HEAD, *(row(load_builtin(kind)) for kind in sorted(KINDS))]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("kinds.md").write_text(page(), encoding="utf-8")
