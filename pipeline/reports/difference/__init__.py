"""What differs between two states of a set, as lines, as Markdown and as a page."""

from siftset.pipeline.reports.difference.lines import describe_changes, describe_difference
from siftset.pipeline.reports.difference.markdown import difference_markdown
from siftset.pipeline.reports.difference.page import difference_page

__all__ = ["describe_changes", "describe_difference", "difference_markdown", "difference_page"]
