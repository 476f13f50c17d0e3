"""The map as bytes: where each row lies, and the codes by which it is coloured."""

from __future__ import annotations

import json
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.pipeline.review.columns import CodedColumn, Places
from siftset.pipeline.review.filters import BY_HAND, Filter
from siftset.pipeline.review.session import ReviewSession

DOUBT: Final = "doubt"
NOTHING: Final = 255
"""The code of a row without a value, or with one of the rarer ones."""
_COLOURED: Final = 254


def pack_points(session: ReviewSession, places: Places | None = None) -> bytes:
    """Return a header as JSON after its length (4 bytes), then x, y (2 bytes each), then codes.

    Each column of codes has a byte for each row: a place among its values, or 255; that of doubt
    goes from 0 for a sure label to 254. `places` are the rows that are meant, by default all.
    Raises ValueError where there is no map.
    """
    drawn = session.preparation.map
    meant = slice(None) if places is None else places
    if drawn is None:
        raise ValueError("there is no map: start the review with  --map")
    columns: list[JsonValue] = []
    blocks = [drawn.x[meant].astype("<u2").tobytes(), drawn.y[meant].astype("<u2").tobytes()]
    for name, column in session.matcher.facets.items():
        if name == "why" or (name != "part" and len(column.values) > _COLOURED):
            continue
        columns.append({"name": name, "values": [*column.values[:_COLOURED]]})
        blocks.append(_to_bytes(column)[meant].tobytes())
    doubt = session.preparation.doubt
    if doubt is not None:
        columns.append({"name": DOUBT, "values": []})
        scaled = np.nan_to_num(doubt.doubt, nan=0.0) * _COLOURED
        blocks.append(scaled.astype(np.uint8)[meant].tobytes())
    head: JsonValue = {
        "rows": len(drawn.x[meant]),
        "layout": drawn.layout,
        "columns": columns,
        "hand": BY_HAND,
        "regions": [
            {"name": one.name, "x": one.x, "y": one.y, "rows": one.rows} for one in drawn.regions
        ],
    }
    written = json.dumps(head).encode()
    written += b" " * (-len(written) % 4)  # typed arrays begin at even places
    return len(written).to_bytes(4, "little") + written + b"".join(blocks)


def pack_mask(session: ReviewSession, asked: Filter) -> bytes:
    """Return a bit for each row: whether it meets a filter."""
    return np.packbits(session.choose(asked), bitorder="little").tobytes()


def _to_bytes(column: CodedColumn) -> NDArray[np.uint8]:
    known = min(len(column.values), _COLOURED)
    codes: NDArray[np.uint8] = np.where(column.codes < known, column.codes, NOTHING).astype(
        np.uint8
    )
    return codes
