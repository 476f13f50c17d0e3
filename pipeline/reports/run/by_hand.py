"""What people decided by hand, and how right the set is by rows that they drew."""

from __future__ import annotations

from collections.abc import Iterator

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import TableColumn, draw_table
from siftset.pipeline.reports.run.actions import write_command
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.review import ReviewMetrics, SetEstimate


def judge_review(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Say what people have to look at again, and how right the set is."""
    found = metrics.review
    if found is None:
        return
    command = write_command(metrics, "review")
    if found.disputed:
        claim = (
            f"Reviewers disagree about {format_count(found.disputed, 'row')}: the formula decides."
        )
        todo = "settle them in the queue of disputed rows"
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    if found.stale:
        claim = (
            f"{format_count(found.stale, 'row')} {conjugate(found.stale, 'have')} changed since "
            "somebody decided about them: these decisions are not applied."
        )
        todo = "look at them again in the queue of stale rows"
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    for label, rows in found.new_labels.items():
        claim = f"`{label}` is a label that people alone gave, to {format_count(rows, 'row')}."
        todo = "look whether it is misspelt"
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    if found.orphaned:
        claim = (
            f"{format_count(found.orphaned, 'row')} with a decision "
            f"{conjugate(found.orphaned, 'are')} not in the input."
        )
        todo = "an id column keeps decisions with their rows; what lies in other files is no loss"
        yield ReportFinding("balance", "note", claim, todo, command=command)
    for name, estimate in list_estimates(found):
        yield ReportFinding("balance", "note", f"{name}: {describe_estimate(estimate)}.")


def list_estimates(found: ReviewMetrics) -> Iterator[tuple[str, SetEstimate]]:
    """Yield what is estimated, by name."""
    if found.kept_right is not None:
        yield "Kept rows that are right", found.kept_right
    if found.rejected_right is not None:
        yield "Rejected rows that are rightly rejected", found.rejected_right


def describe_estimate(found: SetEstimate) -> str:
    """Say how right an outcome is, how sure that is, and by whom and when."""
    days = found.since if found.since == found.until else f"{found.since} to {found.until}"
    return (
        f"{format_percent(found.right, found.judged)}, 95 % between {100 * found.low:.0f} and "
        f"{100 * found.high:.0f} % ({found.judged:,} drawn at random and looked at, "
        f"{', '.join(found.reviewers)}, {days})"
    )


def describe_by_hand(by_hand: dict[str, int]) -> str:
    """Say in a line what people did to rows."""
    return ", ".join(f"{rows:,} {name}" for name, rows in by_hand.items())


def review_table(found: ReviewMetrics) -> Child:
    """Show what was decided by hand, by whom, and what came of it."""
    said: list[tuple[str, int, str]] = [
        ("kept", found.kept, "whatever the formula says; duplicates are found after it"),
        ("dropped", found.dropped, "rejected by review, exact duplicates with them"),
        ("relabelled", found.relabelled, "before rules and formula"),
        ("edited", found.edited, "before rules and formula"),
        ("against the formula", found.overruled, "of those kept and dropped"),
        ("repeats of dropped rows", found.covered, "duplicates by review, of the rows read"),
        ("disputed", found.disputed, "reviewers disagree: the formula decides"),
        ("stale", found.stale, "the row reads otherwise now: not applied"),
        ("orphaned", found.orphaned or 0, "no record has this id now"),
        ("left for later", found.skipped, ""),
    ]
    rows: list[list[Child]] = [
        [name, f"{number:,}", h("span", what, class_="soft")]
        for name, number, what in said
        if number
    ]
    if not rows:
        return [h("h3", "By hand"), h("p", "Nobody decided about a row yet.", class_="small soft")]
    who = ", ".join(f"{name} {number:,}" for name, number in found.reviewers.items())
    last = f", the last on {found.until[:10]}" if found.until else ""
    note = (
        h("p", f"Decided by {who}{last}. Of the whole set.", class_="small soft") if who else None
    )
    columns = [TableColumn("By hand", "name"), TableColumn("Rows", "num"), TableColumn("", "name")]
    return [
        h("h3", "By hand"),
        draw_table(columns, rows),
        note,
        [
            h("p", f"{name}: {describe_estimate(estimate)}.")
            for name, estimate in list_estimates(found)
        ],
    ]
