"""What a reader must not miss, told from the numbers: a claim, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.run.actions import (
    curate_with,
    export_rows,
    write_command,
)
from siftset.pipeline.reports.run.by_hand import judge_review
from siftset.pipeline.reports.run.check_statements import judge_checks
from siftset.pipeline.reports.run.drift_statements import judge_drift
from siftset.pipeline.reports.run.label_doubts import describe_doubts
from siftset.pipeline.reports.run.selection import judge_selection
from siftset.pipeline.reports.run.signal_statements import judge_faults, judge_signals
from siftset.pipeline.reports.run.split_statements import judge_answers, judge_leakage, judge_split
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.pipeline.reports.run.votes import describe_accuracy, is_worse_than_chance
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.profile_metrics import Histogram

_BROKEN: Final = {
    "replacement": ("U+FFFD", "read the source with its right encoding"),
    "mojibake": ("signs of text decoded twice", "decode the source as UTF-8 once"),
    "control": ("control characters", "set integrity.rows.text.encoding: true"),
}
_PERSONAL: Final = {"email": "e-mail addresses", "phone": "telephone numbers"}


def find_statements(metrics: RunMetrics) -> tuple[ReportFinding, ...]:
    """Return what stands out, in the order of the parts."""
    said = [ReportFinding("summary", "warn", warning) for warning in metrics.warnings]
    return (*said, *(finding for rule in _RULES for finding in rule(metrics)))


def list_warnings(metrics: RunMetrics) -> tuple[str, ...]:
    """Return the findings that are more than a note, a line each, with what to do about it."""
    lines = []
    for found in find_statements(metrics):
        if found.level != "note":
            claim, todo = found.claim, found.todo
            end = "." if todo and not claim.endswith((".", "!", "?")) else ""
            lines.append(f"{claim}{end} {todo[:1].upper()}{todo[1:]}".strip())
    return tuple(lines)


def _judge_balance(metrics: RunMetrics) -> Iterator[ReportFinding]:
    rows = metrics.rows
    if not rows.kept:
        todo = "see which clause removes them, then widen the formula"
        claim = f"No row of {rows.read:,} was kept."
        asked = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("balance", "fail", claim, todo, command=asked)
    if rows.unreadable:
        claim = f"{rows.unreadable:,} of {format_count(rows.read, 'record')} could not be read."
        todo = "fix them at the source; unreadable/ names the file and position of each"
        command = export_rows(metrics, "unreadable")
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    if rows.unknown:
        claim = (
            f"For {rows.unknown:,} of {format_count(rows.read, 'row')} the formula is unknown, so "
            "not kept."
        )
        todo = "a signal met a null; `.fill(False)` or `.fill(True)` in the formula decides them"
        command = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("balance", "note", claim, todo, command=command)


def _judge_labels(metrics: RunMetrics) -> Iterator[ReportFinding]:
    precision = metrics.label_precision
    if precision is None or not precision.labelled:
        return
    wrong = precision.labelled - precision.right
    of = f"{format_percent(precision.right, precision.labelled)} of {precision.labelled:,}"
    wanted = " or ".join(precision.wanted)
    if not wrong:
        yield ReportFinding("labels", "note", f"Every labelled row kept is {wanted}: {of} rows.")
        return
    claim = (
        f"{wrong:,} of {format_count(precision.labelled, 'labelled row')} kept "
        f"{conjugate(wrong, 'are')} not {wanted} ({of} are)."
    )
    todo = "read them under Samples in the report, and tighten the formula"
    command = write_command(metrics, "doubt")
    yield ReportFinding("labels", "warn", claim, todo, command=command)


def _judge_votes(metrics: RunMetrics) -> Iterator[ReportFinding]:
    votes = metrics.votes
    if votes is None or not votes.rows:
        return
    without = votes.silent + votes.tied
    if without:
        claim = (
            f"{without:,} of {format_count(votes.rows, 'row')} read {conjugate(without, 'have')} "
            f"no label: nothing votes on {votes.silent:,}, and {votes.tied:,} have a tie."
        )
        todo = "`~is_null(label)` in the formula leaves them out, as training a classifier needs"
        command = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("labels", "note", claim, todo, command=command)
    command = write_command(metrics, "explain", "--analyze")
    for voter in votes.voters:
        who = f"`{voter.voter}`, which votes for {voter.label},"
        if not voter.votes:
            claim = f"{who} votes on none of {format_count(votes.rows, 'row')}."
            yield ReportFinding(
                "labels", "warn", claim, "check its words or its limits", command=command
            )
        if voter.faults:
            claim = f"{who} failed on {format_count(voter.faults, 'row')}, on which it has no vote."
            todo = "siftset signals test shows why"
            yield ReportFinding("labels", "warn", claim, todo, command=command)
    golden = () if metrics.golden_votes is None else metrics.golden_votes.voters
    for voter, of in (
        *((one, "") for one in votes.voters),
        *((one, " golden rows") for one in golden),
    ):
        if is_worse_than_chance(voter, len(votes.classes)):
            who = f"`{voter.voter}`, which votes for {voter.label},"
            right = describe_accuracy(voter.right, voter.known)
            claim = f"{who} is right on {right}{of}: worse than chance."
            todo = "leave it out, or let it vote otherwise"
            yield ReportFinding("labels", "warn", claim, todo, command=command)


def _judge_doubts(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = metrics.label_doubts
    if found is None or not found.wrong:
        return
    claim = describe_doubts(found)
    if found.pairs:
        first = found.pairs[0]
        claim += (
            f", most often {first.label} that looks like {first.other}: "
            f"{format_count(first.rows, 'row')}"
        )
    todo = "look at the most doubtful first, in siftset review or in the file of rows"
    command = write_command(metrics, "review")
    yield ReportFinding("labels", "note", f"{claim}.", todo, command=command)


def _judge_columns(metrics: RunMetrics) -> Iterator[ReportFinding]:
    kept = metrics.profiles.get("kept")
    for column in kept.columns if kept else ():
        missing = column.null + column.empty + column.blank
        if kept and missing and column.name == kept.text_column:
            claim = (
                f"{missing:,} of {format_count(kept.rows, 'kept row')} "
                f"{conjugate(missing, 'have')} no text."
            )
            rule = f"integrity.rows.{column.name}"
            command = curate_with(metrics, f"{rule}.not_null=true", f"{rule}.not_blank=true")
            todo = f"set {rule}.not_null and not_blank"
            yield ReportFinding("columns", "warn", claim, todo, command=command)


def _judge_duplicates(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = metrics.duplicates
    if found is None or not found.rows:
        return
    if found.relabelled:
        claim = (
            f"{format_count(found.relabelled, 'row')} {conjugate(found.relabelled, 'repeat')} "
            "the text of another row under another label."
        )
        todo = (
            "look at duplicates/; dedupe.relabelled says what becomes of them: first, drop or block"
        )
        command = curate_with(metrics, "dedupe.relabelled=drop")
        yield ReportFinding("duplicates", "warn", claim, todo, command=command)
    repeated = sum(n or 0 for n in (found.exact, found.near, found.ids, found.labels))
    if 5 * repeated > found.rows:
        claim = (
            f"{repeated:,} of {format_count(found.rows, 'row')} that the formula kept repeat "
            "another."
        )
        todo = "they are removed; look at the largest groups"
        command = export_rows(metrics, "duplicates")
        yield ReportFinding("duplicates", "note", claim, todo, command=command)


def _judge_texts(metrics: RunMetrics) -> Iterator[ReportFinding]:
    kept = metrics.profiles.get("kept")
    if kept is None:
        return
    if kept.over_max and kept.tokens is not None:
        claim = (
            f"{kept.over_max:,} of {format_count(kept.tokens.rows, 'text')} "
            f"{conjugate(kept.over_max, 'are')} longer than "
            f"{format_count(metrics.max_length or 0, 'token')}: training cuts them."
        )
        todo = "raise train.max_length or set a rule for max_chars"
        command = _train_longer(metrics, kept.tokens)
        yield ReportFinding("lengths", "warn", claim, todo, command=command)
    for key, (name, todo) in _BROKEN.items():
        if number := kept.encoding.get(key, 0):
            claim = (
                f"{number:,} of {format_count(kept.texts, 'kept text')} "
                f"{conjugate(number, 'hold')} {name}."
            )
            # Texts decoded twice hold no wrong character: no rule finds them, the source does.
            rule = f"integrity.rows.{kept.text_column}.encoding=true"
            command = "" if key == "mojibake" else curate_with(metrics, rule)
            yield ReportFinding("encoding", "warn", claim, todo, command=command)
    for key, name in _PERSONAL.items():
        if number := kept.encoding.get(key, 0):
            claim = (
                f"{number:,} of {format_count(kept.texts, 'kept text')} "
                f"{conjugate(number, 'seem')} to hold {name}."
            )
            todo = "a model can repeat what it was trained on: remove them unless they are wanted"
            command = write_command(metrics, "explain", "--diff", "--set", _without_pii(metrics))
            command = command if metrics.run.version is not None else ""
            yield ReportFinding("encoding", "warn", claim, todo, command=command)


def _train_longer(metrics: RunMetrics, tokens: Histogram) -> str:
    """Return the command that trains on the texts that most are: 95 % of them, uncut."""
    most = tokens.quantiles.get("p95") or tokens.max or 0
    now = metrics.max_length or 0
    limit = max(2 * now, 8)
    # Few models read more than 512 tokens: one that does is at 512 already.
    while limit < most and limit < max(512, 2 * now):
        limit *= 2
    return write_command(metrics, "train", "--set", f"train.max_length={limit}")


def _without_pii(metrics: RunMetrics) -> str:
    """Return the change of the recipe that keeps no text with an address or a number."""
    return f"keep=({metrics.run.formula}) & ~pii()"


_RULES: Final[tuple[Callable[[RunMetrics], Iterator[ReportFinding]], ...]] = (
    _judge_balance, judge_selection, judge_review, judge_faults, judge_signals, judge_checks,
    _judge_columns,
    _judge_duplicates, _judge_texts, _judge_labels, judge_leakage, judge_answers,
    judge_split,
    _judge_votes,
    _judge_doubts,
    judge_drift,
)  # fmt: skip
