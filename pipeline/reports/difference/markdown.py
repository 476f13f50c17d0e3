"""What differs, as Markdown for the comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from siftset.pipeline.reports.difference.lines import (
    SIGNS,
    describe_cause,
    describe_changes,
    describe_reason,
    describe_recipe_changes,
    shorten,
)
from siftset.pipeline.reports.markup import show_controls
from siftset.schemas.plurals import format_count
from siftset.schemas.results.difference import RowChange, SetDifference

_LARGEST: Final = 60_000
"""Characters; a comment on GitHub holds 65,536."""
_ROWS: Final = 10
_SIGN: Final = {"pass": "passed", "warn": "warning", "fail": "failed"}


def difference_markdown(found: SetDifference, *, rows: int = 30) -> str:
    """Return the Markdown of a difference; texts stand in code spans, where nothing is markup."""
    verdict = f" · gate {_SIGN[found.verdict]}" if found.verdict else ""
    lines = [
        f"### {code_span(found.recipe or 'set')}: {describe_changes(found.changes)}{verdict}",
        "",
        f"{code_span(found.before.name)} with {format_count(found.before.rows, 'row')}, "
        f"{code_span(found.after.name)} with {found.after.rows:,}.",
        "",
    ]
    if found.before.formula != found.after.formula and found.before.formula:
        lines += [
            f"Formula {code_span(found.before.formula)}, now {code_span(found.after.formula)}.",
            "",
        ]
    changed = [f"- {code_span(one)}" for one in describe_recipe_changes(found)]
    lines += [*changed, ""] if changed else []
    reasons = [
        [SIGNS[one.kind], f"{one.rows:,}", f"{one.kind}: {_as_cell(describe_reason(one))}"]
        for one in found.reasons[:_ROWS]
    ]
    lines += _table(("", "rows", "why"), reasons)
    for column in ("source", "label", "split"):
        slices = found.of_column(column)[:_ROWS]
        cells = [
            [
                code_span(s.value),
                *(f"{n:,}" for n in (s.before, s.after, s.added, s.removed, s.changed)),
            ]
            for s in slices
        ]
        lines += _table((column, "before", "after", "added", "removed", "changed"), cells)
    if found.samples:
        shown = found.samples[:rows]
        lines += [f"<details><summary>{format_count(len(shown), 'row')}</summary>", ""]
        lines += _table(("", "row", "text", "why"), [_row_cells(row) for row in shown])
        lines += ["</details>", ""]
    return _cut(lines)


def _cut(lines: Sequence[str]) -> str:
    """Leave rows out from the end until a comment holds the rest."""
    kept = [*lines]
    while len(text := "\n".join(kept)) > _LARGEST and "</details>" in kept:
        del kept[kept.index("</details>") - 2]
    return text


def _row_cells(row: RowChange) -> list[str]:
    before, after = row.before, row.after
    texts = [side.text or "" for side in (before, after) if side is not None]
    told = " → ".join(code_span(shorten(text, 120)) for text in dict.fromkeys(texts))
    return [SIGNS[row.kind], code_span(row.row_id[:12]), told, _as_cell(describe_cause(row))]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _as_cell(told: str) -> str:
    """Return words of ours with names of the user's among them, none of which is markup."""
    return code_span(told) if re.search(r"[^\w ,:.()-]", told) else told


def code_span(text: str) -> str:
    """Return a text as code, on one line and fit for a cell of a table."""
    flat = " ".join(show_controls(text).split()) or " "
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}".replace("|", "\\|")
