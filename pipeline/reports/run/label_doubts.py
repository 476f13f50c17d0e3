"""Labels that look wrong to models that did not see the rows."""

from __future__ import annotations

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.charts import draw_bar
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import TableColumn, draw_table, note_absence
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.label_metrics import DoubtfulLabels, LabelDoubts


def label_doubts_part(found: LabelDoubts | None) -> Child:
    """Return the pairs of classes with rows of each; nothing where nobody looked."""
    if found is None:
        return None
    most = max((pair.rows for pair in found.pairs), default=0)
    head = [
        TableColumn("Given", "name"),
        TableColumn("Looks like", "name"),
        TableColumn("Rows", "bar"),
        TableColumn("", "num"),
        TableColumn("The most doubtful", "text"),
    ]
    rows = [
        [
            pair.label,
            pair.other,
            draw_bar(pair.rows, most, format_count(pair.rows, "row")),
            f"{pair.rows:,}",
            _list_examples(pair),
        ]
        for pair in found.pairs
    ]
    where = (
        f"All rows with their scores: {found.file}." if found.file else "siftset doubt lists rows."
    )
    return [
        h("h3", "Labels that look wrong"),
        h("p", f"{describe_doubts(found)}, by models that did not see the rows, of {found.of}."),
        draw_table(head, rows) if rows else None,
        note_absence(
            f"{where} An estimate by confident learning: texts that are hard to tell are among "
            "them, so people look before anything is removed."
        ),
    ]


def describe_doubts(found: LabelDoubts) -> str:
    """Return how many labels look wrong."""
    share = format_percent(found.wrong, found.rows)
    return (
        f"{found.wrong:,} of {format_count(found.rows, 'label')} {conjugate(found.wrong, 'look')} "
        f"wrong ({share})"
    )


def _list_examples(pair: DoubtfulLabels) -> Child:
    return [
        h("div", one.value or "", " ", h("span", f"{one.row_id} ({one.reason})", class_="faint"))
        for one in pair.examples
    ]
