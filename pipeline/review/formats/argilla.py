"""Argilla's JSON: records with the row, the label as a suggestion, what was decided as responses.

The questions are called `label`, `decision`, `edit` and `reason` (docs/decisions.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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


def write_records(rows: Iterable[ShownRow]) -> str:
    """Return rows as the records that `dataset.records.from_json` reads."""
    return json.dumps([_make_record(row) for row in rows], ensure_ascii=False, indent=1) + "\n"


def _make_record(row: ShownRow) -> dict[str, Any]:
    metadata = {
        "part": row.part, "place": row.place, "seen": row.seen,
        **({} if row.why is None else {"why": row.why}),
    }  # fmt: skip
    suggestions = {}
    if row.label is not None:
        suggestions["label"] = {"value": row.label, "score": None, "agent": "siftset"}
    decision, responses = row.decision, {}
    if decision is not None:
        metadata |= {"at": write_moment(decision.at)}
        label = shown_label(decision.label)
        said = {
            "decision": decision.decision,
            "label": (label[0] if len(label) == 1 else label) if label else None,
            "edit": decision.text,
            "reason": decision.reason,
        }
        responses = {
            question: [{"value": value, "user_id": decision.by}]
            for question, value in said.items()
            if value is not None
        }
    return {
        "id": row.row_id,
        "fields": {"text": row.text or ""},
        "metadata": metadata,
        "suggestions": suggestions,
        "responses": responses,
        "status": "pending" if decision is None else "completed",
        "vectors": {},
    }


def read_records(records: Iterable[object], name: str) -> Iterator[Answer]:
    """Yield the answers of exported records, one a record and user.

    Raises SourceError for a record whose id is no row_id.
    """
    for number, found in enumerate(records, 1):
        record, where = as_mapping(found), f"{name}, record {number}"
        metadata = as_mapping(record.get("metadata"))
        for user, (said, status) in _group_responses(record.get("responses")).items():
            row_id = metadata.get("row_id") or record.get("external_id") or record.get("id")
            verb = read_verb(said.get("decision"), where)
            others = {q: v for q, v in said.items() if q not in ("decision", "reason")}
            texts = [q for q in others if q in ("edit", "text")]
            label = next((read_label(v) for q, v in others.items() if q not in texts), None)
            text = next((str(others[q]) for q in texts if others[q]), None)
            if status == "discarded":
                verb, label, text = "skip", None, None
            if status == "draft" or (verb, label, text) == (None, None, None):
                continue
            yield Answer(
                where, read_id(row_id, where), read_seen(metadata.get("seen")), verb, label, text,
                str(said["reason"]) if said.get("reason") else None, user or None,
                at=read_moment(record.get("updated_at") or metadata.get("at")),
            )  # fmt: skip


def _group_responses(found: object) -> dict[str, tuple[dict[str, Any], str]]:
    """Return what every user said of each question, and how that stands.

    The client writes responses by question, the server a list with those of one user each.
    """
    by_user: dict[str, tuple[dict[str, Any], str]] = {}
    if isinstance(found, Mapping):
        for question, answers in found.items():
            for answer in answers if isinstance(answers, list) else []:
                one = as_mapping(answer)
                user = str(one.get("user_id") or "")
                said, status = by_user.get(user, ({}, ""))
                said[str(question)] = one.get("value")
                by_user[user] = said, str(one.get("status") or status)
    for answer in found if isinstance(found, list) else []:
        one = as_mapping(answer)
        values = as_mapping(one.get("values")).items()
        said = {question: as_mapping(value).get("value") for question, value in values}
        by_user[str(one.get("user_id") or "")] = said, str(one.get("status") or "")
    return by_user
