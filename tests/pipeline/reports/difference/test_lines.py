from __future__ import annotations

from siftset.pipeline.reports.difference import describe_difference
from siftset.schemas.results.difference import (
    ReasonCount,
    RowChange,
    RowSide,
    SetDifference,
    Side,
    Slice,
)
from siftset.schemas.results.plan import RowChanges


def test_lines_tell_counts_reasons_slices_and_rows():
    row = RowChange(
        row_id="0123456789abcdef",
        kind="removed",
        reason="threshold",
        place="rejected",
        clause="size",
        signal="size",
        states=("true", "false"),
        scores=(10.0, 10.0),
        before=RowSide(text="nike\nshoes"),
    )
    found = SetDifference(
        before=Side(name="version 0", rows=3),
        after=Side(name="version 1", rows=2),
        changes=RowChanges(removed=1),
        reasons=(ReasonCount(kind="removed", reason="threshold", detail="size", rows=1),),
        slices=(Slice(column="source", value="a.jsonl", before=3, after=2, removed=1),),
        columns_added=("stars",),
        samples=(row,),
    )
    assert list(describe_difference(found)) == [
        "version 0 -> version 1: 0 rows added, 1 removed, 0 changed",
        "  3 rows before, 2 after",
        "  new columns: stars",
        "",
        "  -          1  removed: a changed threshold: size",
        "",
        "  by source                   added    removed    changed",
        "    a.jsonl                       0          1          0",
        "",
        "  - 0123456789ab  nike shoes  a changed threshold; is now rejected by  size; "
        "size: true -> false (score 10)",
    ]
