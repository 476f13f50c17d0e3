"""A review as one file to mail: the same page, its rows inside, no server."""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.pipeline.review.assets import (
    PAGE,
    STATIC_POLICY,
    STATIC_SCRIPTS,
    read_asset,
    read_style,
)
from siftset.pipeline.review.columns import Places
from siftset.pipeline.review.points import pack_points
from siftset.pipeline.review.queues import answer_clauses
from siftset.pipeline.review.rows import FILE, ID, RECORD, REPEATS, SEEN
from siftset.pipeline.review.session import SAMPLES, ReviewSession
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import OutputError
from siftset.schemas.plurals import format_count
from siftset.signals.formula.tree import Op, show

MOST: Final = 20_000
"""Rows that a file holds: about 4 MiB of short texts."""
ALIKE: Final = 6
_BLOCK: Final = 1_024


@dataclass(frozen=True, slots=True)
class StaticReview:
    """What was written."""

    path: Path
    rows: int
    of: int
    """Rows of the recipe, of which the file may hold those of the queues alone."""
    size: int
    """Bytes."""


def write_static(session: ReviewSession, path: Path) -> StaticReview:
    """Write a review that is prepared to one HTML file.

    Of more than MOST rows it holds those of the queues. Raises OutputError where even these are too
    many or the file cannot be written.
    """
    places = _choose_rows(session)
    data = _gather(session, places)
    packed = b64encode(gzip.compress(json.dumps(data, separators=(",", ":")).encode(), 9, mtime=0))
    page = _fill_page(packed.decode())
    try:
        with atomic_write(path) as draft:
            draft.write_bytes(page)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    return StaticReview(path.resolve(), len(places), session.rows.count, len(page))


def _choose_rows(session: ReviewSession) -> Places:
    if session.rows.count <= MOST:
        return np.arange(session.rows.count)
    queued = [queue.rows for queue in session.queues()]
    found = np.unique(np.concatenate(queued)) if queued else np.zeros(0, np.int64)
    if not 0 < found.size <= MOST:
        raise OutputError(
            f"{format_count(found.size, 'row')} of the queues: a file holds at most {MOST:,}; "
            "serve the review instead, or read less with --set"
        )
    return found


def _gather(session: ReviewSession, places: Places) -> dict[str, JsonValue]:
    """Lay everything that the page asks for out by row, the rows numbered again."""
    rows = session.rows
    frame = rows.frame[places]
    number = {row: at for at, row in enumerate(places.tolist())}
    files = frame[FILE].unique(maintain_order=True).to_list()
    file_of = {name: at for at, name in enumerate(files)}
    said = {str(at): session.hand.describe(row) for row, at in number.items()
            if session.hand.states.codes[row] < len(session.hand.states.values)}  # fmt: skip
    parts = dict(rows.facets["part"].count(None))
    drawn = session.preparation.map
    state = {**session.state(), "rows": len(places), "preparing": None, "by": ""}
    if len(places) < rows.count:
        told = f"the rows of the queues: {len(places):,} of {rows.count:,}"
        state["notes"] = [told, *session.preparation.notes]
    return {
        "state": state,
        "row_id": frame["row_id"].to_list(),
        "seen": frame[SEEN].to_list(),
        "id": frame[ID].to_list(),
        "files": files,
        "file": [file_of[name] for name in frame[FILE]],
        "record": frame[RECORD].to_list(),
        "text": frame["text"].to_list(),
        "repeats": {str(at): one for at, one in enumerate(frame[REPEATS]) if one is not None},
        "facets": {
            name: {"values": [*column.values], "codes": column.codes[places].tolist()}
            for name, column in rows.facets.items()
        },
        **_ask_everything(session, places),
        "queues": _list_queues(session, number),
        "doubt": _list_doubts(session, places),
        "said": {at: one for at, one in said.items() if one is not None},
        "alike": _find_alike(session, places),
        "drawn": {name: parts.get(part, 0) for name, part in SAMPLES.items()},
        "region": [] if drawn is None else drawn.region[places].tolist(),
        "points": "" if drawn is None else b64encode(pack_points(session, places)).decode(),
    }


def _list_queues(session: ReviewSession, number: Mapping[int, int]) -> list[JsonValue]:
    """Return the queues; `number` is the place of each row in the file."""
    return [
        {
            "name": queue.name,
            "title": queue.title,
            "about": queue.about,
            "places": [number[row] for row in queue.rows.tolist()],
            "notes": {str(number[row]): note for row, note in queue.notes.items() if row in number},
        }
        for queue in session.queues()
    ]


def _list_doubts(session: ReviewSession, places: Places) -> dict[str, JsonValue]:
    """Return for each doubtful row how likely its own label is, and which is likelier."""
    doubt = session.preparation.doubt
    if doubt is None:
        return {}
    found: dict[str, JsonValue] = {}
    for at in np.flatnonzero(doubt.doubt[places] > 0.5).tolist():
        row = places[at]
        found[str(at)] = [round(float(doubt.own[row]), 3), doubt.classes[doubt.likelier[row]]]
    return found


def _ask_everything(session: ReviewSession, places: Places) -> dict[str, JsonValue]:
    """Ask every clause and signal about all rows; states are a digit for each row."""
    root = session.rows.job.decider.root
    frame = session.rows.frame[places]
    answers, space = answer_clauses(session.rows, frame, session.rows.job.decider.cache)
    terms = root.terms if isinstance(root, Op) else (root,)
    scores: dict[str, JsonValue] = {
        name: [None if np.isnan(one) else float(f"{one:.3g}") for one in space.scores[name]]
        for name in space.scores
    }
    clauses: list[JsonValue] = [
        {"text": show(term), "says": _digits(answers[term])} for term in terms
    ]
    signals: list[JsonValue] = [
        {"name": name, "says": _digits(codes), "scores": scores.get(name)}
        for name, codes in space.codes.items()
    ]
    return {"clauses": clauses, "signals": signals}


def _digits(codes: NDArray[np.uint8]) -> str:
    return (codes + ord("0")).astype(np.uint8).tobytes().decode("ascii")


def _find_alike(session: ReviewSession, places: Places) -> list[JsonValue]:
    """Return for each row the rows most like it and the hundredths of their cosines."""
    vectors = session.preparation.vectors
    if vectors is None or len(places) < 2:
        return []
    held = vectors.embed(places)
    found: list[JsonValue] = []
    for start in range(0, len(held), _BLOCK):
        cosines = held[start : start + _BLOCK] @ held.T
        own = np.arange(len(cosines))
        cosines[own, own + start] = -1
        count = min(ALIKE, len(held) - 1)
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(cosines, best, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        ranked = np.take_along_axis(best, order, axis=1).tolist()
        hundredths = np.rint(100 * np.take_along_axis(near, order, axis=1)).astype(int).tolist()
        for rows, shares in zip(ranked, hundredths, strict=True):
            found.append([[row, share] for row, share in zip(rows, shares, strict=True)])
    return found


def _fill_page(packed: str) -> bytes:
    """Put style, scripts and rows into the page, under a policy that names each by its hash."""
    style, scripts = read_style(), [read_asset(name) for name in STATIC_SCRIPTS]
    policy = STATIC_POLICY.format(
        scripts=" ".join(map(_hash_source, scripts)), style=_hash_source(style)
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>'
    body = [f'<script type="application/gzip" id="data">{packed}</script>']
    body += [f"<script>{script}</script>" for script in scripts]
    page = read_asset(PAGE).replace("<!-- files -->", head)
    return page.replace("</body>", "\n".join([*body, "</body>"])).encode()


def _hash_source(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
