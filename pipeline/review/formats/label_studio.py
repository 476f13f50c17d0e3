"""Label Studio's JSON: a task a row, its label as a prediction, what was decided as an answer.

The labelling interface of docs/decisions.md names its parts `label`, `decision`, `edit` and
`reason`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from siftset.pipeline.decisions.record import shown_label, write_moment
from siftset.pipeline.review.formats.answer import (
    Answer,
    ShownRow,
    as_mapping,
    read_id,
    read_label,
    read_moment,
    read_seen,
    read_verb,
)


def write_tasks(rows: Iterable[ShownRow]) -> str:
    """Return rows as the tasks that Label Studio imports."""
    return json.dumps([_make_task(row) for row in rows], ensure_ascii=False, indent=1) + "\n"


def _make_task(row: ShownRow) -> dict[str, Any]:
    data = {
        "text": row.text or "", "label": row.label, "part": row.part, "why": row.why,
        "place": row.place, "row_id": row.row_id, "seen": row.seen,
    }  # fmt: skip
    task: dict[str, Any] = {"data": data}
    if row.label is not None:
        guess = [_choose("label", [row.label])]
        task["predictions"] = [{"model_version": "siftset", "result": guess}]
    decision = row.decision
    if decision is not None:
        skipped = decision.decision == "skip"
        result = [] if skipped else [_choose("decision", [decision.decision])]
        if decision.label is not None:
            result.append(_choose("label", shown_label(decision.label)))
        result += [
            {"from_name": name, "to_name": "text", "type": "textarea", "value": {"text": [text]}}
            for name, text in (("edit", decision.text), ("reason", decision.reason))
            if text is not None
        ]
        task["annotations"] = [{"result": result, "was_cancelled": skipped}]
        # Label Studio takes accounts of its own alone as who answered: ours lie beside the answer
        task["meta"] = {"by": decision.by, "at": write_moment(decision.at)}
    return task


def _choose(name: str, choices: list[str]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": choices}}


def read_tasks(tasks: Iterable[object], name: str) -> Iterator[Answer]:
    """Yield the answers of exported tasks; raises SourceError for a task without its row_id."""
    for number, found in enumerate(tasks, 1):
        task, where = as_mapping(found), f"{name}, task {number}"
        data, meta = as_mapping(task.get("data")), as_mapping(task.get("meta"))
        answers = task.get("annotations") or task.get("completions") or []
        for answer in answers if isinstance(answers, list) else []:
            row_id = read_id(data.get("row_id"), where)
            read = _read_answer(as_mapping(answer), where)
            if read is not None:
                verb, label, text, reason = read
                yield Answer(
                    where, row_id, read_seen(data.get("seen")), verb, label, text, reason,
                    by=_read_account(as_mapping(answer).get("completed_by")) or _text(meta, "by"),
                    at=read_moment(
                        as_mapping(answer).get("updated_at")
                        or as_mapping(answer).get("created_at")
                        or meta.get("at")
                    ),
                )  # fmt: skip


def _read_answer(answer: Any, where: str) -> tuple[Any, Any, Any, Any] | None:  # noqa: ANN401  JSON
    """Return verb, label, text and reason; None for an answer that says nothing of ours."""
    if answer.get("was_cancelled"):
        return "skip", None, None, None
    verb = label = text = reason = None
    for item in answer.get("result") or []:
        part, value = as_mapping(item), as_mapping(as_mapping(item).get("value"))
        name, chosen, said = part.get("from_name"), value.get("choices"), value.get("text")
        written = "\n".join(map(str, said)) if isinstance(said, list) else said
        if name == "decision" and isinstance(chosen, list) and chosen:
            verb = read_verb(chosen[0], where)
        elif isinstance(chosen, list) and chosen:
            label = read_label(chosen)
        elif name == "reason" and written:
            reason = str(written)
        elif written:
            text = str(written)
    said_something = (verb, label, text) != (None, None, None)
    return (verb, label, text, reason) if said_something else None


def _read_account(value: object) -> str | None:
    """Return who answered: an address, or the number of an account."""
    if isinstance(value, int):
        return f"label-studio-{value}"
    account = as_mapping(value)
    return (
        _text(account, "email")
        or _text(account, "username")
        or (f"label-studio-{account['id']}" if "id" in account else None)
    )


def _text(values: Any, name: str) -> str | None:  # noqa: ANN401  JSON
    value = values.get(name)
    return value if isinstance(value, str) and value else None
