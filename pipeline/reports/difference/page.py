"""What differs, as a page."""

from __future__ import annotations

from siftset.pipeline.reports.difference.lines import describe_difference
from siftset.pipeline.reports.markup import h
from siftset.pipeline.reports.page import Header, PagePart, render_page
from siftset.schemas.results.difference import SetDifference


def difference_page(found: SetDifference) -> str:
    """Return the page of a difference."""
    body = h("pre", "\n".join(describe_difference(found)))
    return render_page(Header(found.recipe), [PagePart("changes", "Changes", body)])
