"""What was said of one row, by whom, when and why."""

from __future__ import annotations

from pydantic import JsonValue

from siftset.pipeline.decisions.log import DecisionLog
from siftset.pipeline.decisions.record import Decision, DecisionState, Undo

_STATES: dict[DecisionState, str] = {
    "applied": "it holds",
    "stale": "stale: the row reads otherwise now, so it is not applied",
    "orphaned": "orphaned: the row is not in the input",
    "disputed": "disputed: reviewers disagree, so the formula decides",
    "skip": "put off: the formula decides",
}


def describe_row_decisions(
    log: DecisionLog, row_id: str, seen: str | None
) -> tuple[list[str], list[JsonValue]]:
    """Return lines and facts about everything that was said of a row, earliest first.

    `seen` is the hash of its record as it reads now, None where there is none.
    """
    undone = {
        one: event.by for event in log.events if isinstance(event, Undo) for one in event.undo
    }
    about = [one for one in log.events if isinstance(one, Decision) and one.row_id == row_id]
    if not about:
        return [], []
    lines, facts = [], []
    for one in about:
        said: list[str] = [one.decision]
        if one.label is not None:
            label = one.label if isinstance(one.label, str) else ", ".join(one.label)
            said.append(f"label {label}")
        if one.text is not None:
            said.append(f"text {_shorten(one.text)!r}")
        line = f"  by hand: {', '.join(said)}: {one.by}, {one.at:%Y-%m-%d %H:%M} UTC"
        if one.reason:
            line += f": {_shorten(one.reason)}"
        if one.event in undone:
            line += f" (undone by {undone[one.event]})"
        lines.append(line)
        fact: dict[str, JsonValue] = one.model_dump(mode="json", exclude_none=True)
        facts.append({**fact, "undone": one.event in undone})
    standing = log.standing(row_id, seen)
    lines.append(f"  by hand: {'undone' if standing is None else _STATES[standing.state]}")
    return lines, [*facts]


def _shorten(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 100 else shown[:97] + "..."
