"""Votes of signals on labels: what each voter covers, contradicts and gets right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from siftset.pipeline.profile.shares import format_percent, share_interval
from siftset.pipeline.reports.charts import draw_bar
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import TableColumn, draw_table, format_share, note_absence
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.label_metrics import LabelCut, LabelWorth, VoteMetrics, VoterMetrics
from siftset.schemas.results.metrics import RunMetrics

_ENDLESS: Final = 1 << 62
"""Rows of the population that known labels stand for: all that may ever come."""


def votes_part(metrics: RunMetrics) -> Child:
    """Return the tables of votes; nothing where labels were not voted on."""
    votes, cut = metrics.votes, metrics.label_cut
    if votes is None:
        return None
    golden = metrics.golden_votes
    return [
        h("h3", "Votes on labels"),
        _draw_votes(votes),
        note_absence(
            "Of all rows read. Intervals are of 95 % (Wilson), by rows: where rows come in copies "
            "they are wider than this."
        ),
        None if golden is None else [h("h3", "Votes on golden rows"), _draw_votes(golden)],
        None if cut is None else _draw_cut(cut),
        None if metrics.label_worth is None else h("p", say_worth(metrics.label_worth)),
    ]


def _draw_votes(votes: VoteMetrics) -> Child:
    """Return the voters and the classes of some rows."""
    classes = [
        [
            one.label,
            f"{one.rows:,}",
            describe_accuracy(one.right, one.known),
            describe_accuracy(one.right, one.truth),
        ]
        for one in votes.classes
    ]
    named = [
        TableColumn("Label", "name"),
        TableColumn("Rows", "num"),
        TableColumn("Right (precision)", "num"),
        TableColumn("Found (recall)", "num"),
    ]
    said = [h("p", line) for line in summarise_votes(votes)]
    return [*said, _draw_voters(votes), draw_table(named, classes)]


def _draw_voters(votes: VoteMetrics) -> Child:
    """Return what each voter votes on, and how often it is right."""
    head = [
        TableColumn("Voter", "name"),
        TableColumn("For", "nowrap"),
        TableColumn("Coverage", "bar"),
        *(TableColumn(name, "num") for name in ("", "Alone", "Contradicted", "Cannot say")),
        TableColumn("Right, where the label is known", "num"),
    ]
    rows = [
        [
            h("code", one.voter),
            one.label,
            draw_bar(one.votes, votes.rows, f"{one.votes:,} of {format_count(votes.rows, 'row')}"),
            format_percent(one.votes, votes.rows),
            format_share(one.alone, one.votes) if one.votes else "",
            format_share(one.conflicts, one.votes) if one.votes else "",
            f"{one.unknown:,}",
            describe_accuracy(one.right, one.known),
        ]
        for one in votes.voters
    ]
    return draw_table(head, rows)


def say_worth(found: LabelWorth) -> str:
    """Say how many known labels do as well as the votes."""
    right = describe_accuracy(found.right, found.questions)
    best = found.curve[-1] if found.curve else None
    if found.worth is None:
        does = f"more than all {format_count(found.known, 'known label')} that there are"
    elif found.curve and found.worth <= found.curve[0].labels:
        does = f"no more than {found.worth:,} known ones"
    else:
        does = f"as much as about {found.worth:,} known ones"
    of = f"; known labels are those of {found.of}" if found.of else ""
    most = (
        "" if best is None else f"; from {best.labels:,} known ones {best.right / best.asked:.1%}"
    )
    return (
        f"{format_count(found.voted, 'voted label')} of the set {conjugate(found.voted, 'teach')} "
        f"a small model {does}: it answers {right} questions rightly{most} (logistic regression "
        f"on static vectors{of})."
    )


def _draw_cut(cut: LabelCut) -> Child:
    head = [
        TableColumn("Label", "name"),
        TableColumn("Rows", "num"),
        TableColumn("Stay", "num"),
        TableColumn("Right before", "num"),
        TableColumn("Right of those that stay", "num"),
    ]
    rows = [
        [
            one.label,
            f"{one.rows:,}",
            f"{one.taken:,}",
            describe_accuracy(one.right, one.known),
            describe_accuracy(one.taken_right, one.taken_known),
        ]
        for one in cut.classes
    ]
    names = ("right", "known", "taken_right", "taken_known")
    before, known, after, after_known = (sum(getattr(c, n) for c in cut.classes) for n in names)
    total = [
        "all",
        f"{cut.rows:,}",
        f"{cut.taken:,}",
        describe_accuracy(before, known),
        describe_accuracy(after, after_known),
    ]
    return [
        h("h3", "Labels that the texts nearby agree with"),
        h(
            "p",
            f"Of every class the {cut.share:.0%} stay whose label the 10 nearest of "
            f"{format_count(cut.reference, 'text')} {conjugate(cut.reference, 'agree')} with "
            "most (cut statistic, static vectors); the others are rejected by label.keep_share. "
            f"{format_count(cut.unlabelled, 'row')} without a label stay.",
        ),
        draw_table(head, [*rows, total]),
        note_absence("Of the rows that the formula keeps and that repeat no other one."),
    ]


def summarise_votes(votes: VoteMetrics) -> Iterator[str]:
    """Yield in words what the votes came to."""
    labelled = sum(one.rows for one in votes.classes)
    share = format_percent(labelled, votes.rows)
    yield (
        f"{labelled:,} of {format_count(votes.rows, 'row')} got a label ({share}); "
        f"{votes.silent:,} have no vote and {votes.tied:,} a tie: their label is null."
    )
    yield (
        f"{format_count(votes.overlap, 'row')} {conjugate(votes.overlap, 'have')} several "
        f"votes, {votes.disputed:,} of them votes for several classes."
    )
    if votes.known:
        right, known = count_right(votes)
        yield (
            f"Of {format_count(votes.known, 'row')} whose label is known {known:,} got one, "
            f"right on {describe_accuracy(right, known)}."
        )


def count_right(votes: VoteMetrics) -> tuple[int, int]:
    """Return how many voted labels are the known one, and of how many rows."""
    right, known = (sum(getattr(one, n) for one in votes.classes) for n in ("right", "known"))
    return right, known


def describe_accuracy(right: int, known: int) -> str:
    """Return a share with its 95 % interval, or that nothing is known."""
    if not known:
        return "not known"
    low, high = share_interval(right, known, _ENDLESS)
    return f"{100 * right / known:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of {known:,}"


def is_worse_than_chance(voter: VoterMetrics, classes: int) -> bool:
    """Say whether a voter is right less often than any class named at random."""
    if not voter.known:
        return False
    return share_interval(voter.right, voter.known, _ENDLESS)[1] < 1 / classes


def list_votes(votes: VoteMetrics) -> Iterator[str]:
    """Yield a table of the votes for a terminal."""
    yield "votes on labels"
    yield from (f"  {line}" for line in summarise_votes(votes))
    yield f"  {'voter':<24}{'for':<10}{'votes':>9}{'alone':>9}{'against':>9}{'unknown':>9}  right"
    for one in votes.voters:
        counts = "".join(f"{n:>9,}" for n in (one.votes, one.alone, one.conflicts, one.unknown))
        yield f"  {one.voter:<24}{one.label:<10}{counts}  {describe_accuracy(one.right, one.known)}"
