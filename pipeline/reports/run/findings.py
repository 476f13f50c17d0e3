"""What a reader must not miss, told from the numbers: a claim, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final

from siftset.pipeline.profile.shares import describe_sample, format_percent
from siftset.pipeline.reports.page import Level
from siftset.pipeline.reports.run.actions import (
    curate_with,
    explain_example,
    export_rows,
    try_without,
    write_command,
)
from siftset.pipeline.reports.run.by_hand import judge_review
from siftset.pipeline.reports.run.check_statements import judge_checks
from siftset.pipeline.reports.run.label_doubts import describe_doubts
from siftset.pipeline.reports.run.selection import judge_selection
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.pipeline.reports.run.votes import describe_accuracy, is_worse_than_chance
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Funnel, Histogram, RunMetrics

_BROKEN: Final = {
    "replacement": ("U+FFFD", "read the source with its right encoding"),
    "mojibake": ("signs of text decoded twice", "decode the source as UTF-8 once"),
    "control": ("control characters", "set integrity.rows.text.encoding: true"),
}
_HELD_OUT_TODO: Final = (
    "metrics measured on the held-out file are too optimistic: remove these rows from the set"
)
_SPLIT_TODO: Final = "drop them from one split, or let siftset split: it keeps such rows together"
_NEAR_TODO: Final = (
    "metrics measured on them are too optimistic: set dedupe.near, such as 0.8, to remove them"
)
_SPLIT_POINTS, _SPLIT_PART = 0.05, 1 / 3
"""How far a split's share may be from the one that was asked for: in points, and in parts of it."""
_SIGNALS_NAMED: Final = 20
"""Signals of which each is named with its command, which holds the whole formula."""
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
        todo = "look at part 2 for the clause that removes them, then widen the formula"
        claim = f"No row of {rows.read:,} was kept."
        asked = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("balance", "fail", claim, todo, command=asked)
    if rows.unreadable:
        claim = f"{rows.unreadable:,} of {rows.read:,} records could not be read."
        todo = "fix them at the source; unreadable/ names the file and position of each"
        command = export_rows(metrics, "unreadable")
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    if rows.unknown:
        claim = f"For {rows.unknown:,} of {rows.read:,} rows the formula is unknown, so not kept."
        todo = "a signal met a null; `.fill(False)` or `.fill(True)` in the formula decides them"
        command = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("balance", "note", claim, todo, command=command)


def _judge_signals(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield the signals that are true of no row, then those that change no outcome."""
    funnel = metrics.funnel
    if funnel is None:
        return
    seen = describe_sample(funnel.analysed, funnel.decided)
    whole = funnel.analysed >= funnel.decided
    mute = set()
    for signal in funnel.signals:
        true = signal.true if signal.analysed_true is None else signal.analysed_true
        false = signal.false if signal.analysed_false is None else signal.analysed_false
        unknown = signal.unknown if signal.analysed_unknown is None else signal.analysed_unknown
        if not signal.faults and false and not true and not signal.true:
            mute.add(signal.name)
            if len(mute) > _SIGNALS_NAMED:
                continue
            of = f"{true + false + unknown:,} rows" if whole else seen
            if signal.analysed_true is None:
                of = f"the {signal.evaluated:,} rows that it was asked about"
            claim = f"The `{signal.name}` signal is true of none of {of}."
            command = try_without(metrics, signal.name)
            todo = "check its words or its limits"
            yield ReportFinding("balance", "warn", claim, todo, command=command)
    yield from _name_others("true of no row", len(mute), "check their words or their limits")
    yield from _find_idle_signals(metrics, funnel, mute)


def _name_others(what: str, signals: int, todo: str) -> Iterator[ReportFinding]:
    """Yield one finding for all signals beyond those that are named one by one."""
    others = signals - _SIGNALS_NAMED
    if others > 0:
        claim = f"{others:,} more {'signals are' if others > 1 else 'signal is'} {what}."
        yield ReportFinding("balance", "warn", claim, todo)


def _find_idle_signals(
    metrics: RunMetrics, funnel: Funnel, said: Collection[str]
) -> Iterator[ReportFinding]:
    """Yield the signals without which the formula keeps the same rows, but for those `said`."""
    seen = describe_sample(funnel.analysed, funnel.decided)
    whole = funnel.analysed >= funnel.decided
    new = "new " if metrics.run.incremental else ""
    is_and = funnel.tree is not None and funnel.tree.label == "and"
    top = {clause.label for clause in funnel.tree.children} if funnel.tree and is_and else set()
    # A clause that decided rows is never said to be idle, whatever a sample of them shows.
    decided = [clause for clause, rows in funnel.clauses.items() if rows]
    decides = {word for clause in decided for word in re.findall(r"\w+", clause)}
    idle = 0
    for out in funnel.leave_one_out:
        asked = out.signal in decides or out.signal in said
        if out.removed or out.added or not funnel.analysed or asked:
            continue
        idle += 1
        if idle > _SIGNALS_NAMED:
            continue
        # A signal that stands by itself between ands can only remove.
        does = "removes" if out.signal in top else "changes"
        # What the analysis of all rows did not see was quarantined: no formula changes that.
        rows = f"{metrics.rows.read:,} {new}rows" if whole else seen
        claim = f"The `{out.signal}` signal {does} nothing (leave-one-out: 0 of {rows})."
        todo = "drop it from the formula, or make it stricter"
        if new:
            todo = "look at earlier runs, which read the other rows, before you drop it"
        if not whole:
            most = format_percent(3, funnel.analysed)  # the rule of three
            claim = f"{claim[:-1]}; by itself it decides at most {most} of all rows, 95 %."
            todo = "look at every row, with analysis: full, before you drop it from the formula"
        command = try_without(metrics, out.signal)
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    others = "drop them from the formula, or make them stricter; the table of signals names them"
    yield from _name_others("without effect: the formula keeps the same rows", idle, others)


def _judge_faults(metrics: RunMetrics) -> Iterator[ReportFinding]:
    left_open = any(check.name == "signal faults" for check in metrics.checks)
    examples = [one for c in metrics.checks if c.name == "signal faults" for one in c.examples]
    command = explain_example(metrics, tuple(examples))
    todo = "part 3 shows rows that it left undecided, with the exceptions"
    if not left_open:
        todo = "the formula decided these rows without it"
    for signal in metrics.funnel.signals if metrics.funnel else ():
        if signal.faults:
            claim = f"The `{signal.name}` signal failed on {signal.faults:,} rows."
            yield ReportFinding("balance", "warn", claim, todo, command=command)


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
    claim = f"{wrong:,} of {precision.labelled:,} labelled rows kept are not {wanted} ({of} are)."
    todo = "read them in part 12 and tighten the formula"
    command = write_command(metrics, "doubt")
    yield ReportFinding("labels", "warn", claim, todo, command=command)


def _judge_votes(metrics: RunMetrics) -> Iterator[ReportFinding]:
    votes = metrics.votes
    if votes is None or not votes.rows:
        return
    without = votes.silent + votes.tied
    if without:
        claim = (
            f"{without:,} of {votes.rows:,} rows read have no label: nothing votes on "
            f"{votes.silent:,}, and {votes.tied:,} have a tie."
        )
        todo = "`~is_null(label)` in the formula leaves them out, as training a classifier needs"
        command = write_command(metrics, "explain", "--analyze")
        yield ReportFinding("labels", "note", claim, todo, command=command)
    command = write_command(metrics, "explain", "--analyze")
    for voter in votes.voters:
        who = f"`{voter.voter}`, which votes for {voter.label},"
        if not voter.votes:
            claim = f"{who} votes on none of {votes.rows:,} rows."
            yield ReportFinding(
                "labels", "warn", claim, "check its words or its limits", command=command
            )
        if voter.faults:
            claim = f"{who} failed on {voter.faults:,} rows, on which it has no vote."
            todo = "siftset signals test shows why"
            yield ReportFinding("labels", "warn", claim, todo, command=command)
        if is_worse_than_chance(voter, len(votes.classes)):
            right = describe_accuracy(voter.right, voter.known)
            claim = f"{who} is right on {right}: worse than chance."
            todo = "leave it out, or let it vote otherwise"
            yield ReportFinding("labels", "warn", claim, todo, command=command)


def _judge_doubts(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = metrics.label_doubts
    if found is None or not found.wrong:
        return
    claim = describe_doubts(found)
    if found.pairs:
        first = found.pairs[0]
        claim += f", most often {first.label} that looks like {first.other}: {first.rows:,} rows"
    todo = "look at the most doubtful first, in siftset review or in the file of rows"
    command = write_command(metrics, "review")
    yield ReportFinding("labels", "note", f"{claim}.", todo, command=command)


def _judge_columns(metrics: RunMetrics) -> Iterator[ReportFinding]:
    kept = metrics.profiles.get("kept")
    for column in kept.columns if kept else ():
        missing = column.null + column.empty + column.blank
        if kept and missing and column.name == kept.text_column:
            claim = f"{missing:,} of {kept.rows:,} kept rows have no text."
            rule = f"integrity.rows.{column.name}"
            command = curate_with(metrics, f"{rule}.not_null=true", f"{rule}.not_blank=true")
            todo = f"set {rule}.not_null and not_blank"
            yield ReportFinding("columns", "warn", claim, todo, command=command)


def _judge_duplicates(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = metrics.duplicates
    if found is None or not found.rows:
        return
    if found.relabelled:
        claim = f"{found.relabelled:,} rows repeat the text of another row under another label."
        todo = (
            "look at duplicates/; dedupe.relabelled says what becomes of them: first, drop or block"
        )
        command = curate_with(metrics, "dedupe.relabelled=drop")
        yield ReportFinding("duplicates", "warn", claim, todo, command=command)
    repeated = sum(n or 0 for n in (found.exact, found.near, found.ids, found.labels))
    if 5 * repeated > found.rows:
        claim = f"{repeated:,} of {found.rows:,} rows that the formula kept repeat another."
        todo = "they are removed; look at the largest groups"
        command = export_rows(metrics, "duplicates")
        yield ReportFinding("duplicates", "note", claim, todo, command=command)


def _judge_texts(metrics: RunMetrics) -> Iterator[ReportFinding]:
    kept = metrics.profiles.get("kept")
    if kept is None:
        return
    if kept.over_max and kept.tokens is not None:
        claim = (
            f"{kept.over_max:,} of {kept.tokens.rows:,} texts are longer than "
            f"{metrics.max_length or 0:,} tokens: training cuts them."
        )
        todo = "raise train.max_length or set a rule for max_chars"
        command = _train_longer(metrics, kept.tokens)
        yield ReportFinding("lengths", "warn", claim, todo, command=command)
    for key, (name, todo) in _BROKEN.items():
        if number := kept.encoding.get(key, 0):
            claim = f"{number:,} of {kept.texts:,} kept texts hold {name}."
            # Texts decoded twice hold no wrong character: no rule finds them, the source does.
            rule = f"integrity.rows.{kept.text_column}.encoding=true"
            command = "" if key == "mojibake" else curate_with(metrics, rule)
            yield ReportFinding("encoding", "warn", claim, todo, command=command)
    for key, name in _PERSONAL.items():
        if number := kept.encoding.get(key, 0):
            claim = f"{number:,} of {kept.texts:,} kept texts seem to hold {name}."
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


def _judge_leakage(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = [leak for leak in metrics.leakage if leak.rows and leak.kind != "answer"]
    for left, right in dict.fromkeys((leak.left, leak.right) for leak in found):
        leaks = {leak.kind: leak for leak in found if (leak.left, leak.right) == (left, right)}
        together = leaks.pop("any", None) or max(leaks.values(), key=lambda leak: leak.rows)
        kinds = ", ".join(f"{kind} {leak.rows:,}" for kind, leak in leaks.items())
        claim = (
            f"{together.rows:,} of {together.of:,} rows of {left} are also in {right} ({kinds})."
        )
        todo = _HELD_OUT_TODO
        if right in SPLITS:
            only_near = leaks.keys() <= {"near"}
            todo = _NEAR_TODO if only_near else _SPLIT_TODO
        examples = tuple(one for leak in leaks.values() for one in leak.examples)
        command = explain_example(metrics, examples)
        if todo == _NEAR_TODO:
            command = curate_with(metrics, "dedupe.near=0.8")
        yield ReportFinding("leakage", "warn", claim, todo, command=command)


def _judge_answers(metrics: RunMetrics) -> Iterator[ReportFinding]:
    for leak in metrics.leakage:
        if leak.kind == "answer" and leak.rows:
            claim = (
                f"{leak.rows:,} of {leak.of:,} rows of {leak.left} end with an answer that "
                f"{leak.right} has too."
            )
            todo = "a model that learned these answers scores too high: look at the examples"
            command = explain_example(metrics, leak.examples)
            yield ReportFinding("leakage", "warn", claim, todo, command=command)


def _judge_split(metrics: RunMetrics) -> Iterator[ReportFinding]:
    facts = metrics.split
    if facts is None or not facts.rows:
        return
    name = ", ".join(facts.group)
    look = write_command(metrics, "export", "--split", "{}", "--out", "{}.csv")
    for split, asked in facts.asked.items():
        share = facts.held.get(split, 0) / facts.rows
        if abs(share - asked) <= min(_SPLIT_POINTS, asked * _SPLIT_PART):
            continue
        claim = f"{split} holds {share:.1%} of the rows, asked {asked:.0%}".replace("%", " %")
        largest = facts.largest.get(split)
        if largest is not None:
            part = f"{largest.rows / facts.rows:.1%}".replace("%", " %")
            claim += f": group {name} '{largest.value}' alone holds {part}"
        todo = "shares are of groups: use smaller groups, or accept these shares"
        command = look.replace("{}", split).replace("'", "")
        yield ReportFinding("leakage", "warn", f"{claim}.", todo, command=command)
    for leak in facts.leaks:
        if leak.rows:
            claim = (
                f"{leak.rows:,} of {leak.of:,} rows of {leak.left} have a group ({name}) that is "
                f"also in {leak.right}."
            )
            todo = "metrics measured on them are too optimistic"
            command = explain_example(metrics, leak.examples)
            yield ReportFinding("leakage", "warn", claim, todo, command=command)
    if facts.ungrouped:
        claim = f"{facts.ungrouped:,} of {facts.rows:,} rows have no group ({name})."
        yield ReportFinding("leakage", "note", claim, "each of them is split by its own text")


def _judge_drift(metrics: RunMetrics) -> Iterator[ReportFinding]:
    for one in metrics.drift:
        if one.level != "pass":
            value = f"{one.value:.3g} {one.unit}".strip()
            claim = one.message or f"{one.name}: {value} against {one.against}."
            other = "the reference" if "reference" in one.against else "the earlier version"
            todo = f"limits: {one.limits}; compare samples with {other}"
            level: Level = "fail" if one.level == "fail" else "warn"
            yield ReportFinding("drift", level, claim, todo, command=_compare_versions(metrics))
    for alert in metrics.alerts:
        todo = "see whether the source or the recipe changed"
        yield ReportFinding("drift", "warn", alert, todo, command=_compare_versions(metrics))


def _compare_versions(metrics: RunMetrics) -> str:
    before, now = metrics.run.base_version, metrics.run.version
    if before is None or now is None:
        return write_command(metrics, "history")
    return write_command(metrics, "diff", "--from", str(before), "--to", str(now))


_RULES: Final[tuple[Callable[[RunMetrics], Iterator[ReportFinding]], ...]] = (
    _judge_balance, judge_selection, judge_review, _judge_faults, _judge_signals, judge_checks,
    _judge_columns,
    _judge_duplicates, _judge_texts, _judge_labels, _judge_leakage, _judge_answers,
    _judge_split,
    _judge_votes,
    _judge_doubts,
    _judge_drift,
)  # fmt: skip
