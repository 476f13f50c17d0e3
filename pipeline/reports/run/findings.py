"""What a reader must not miss, told from the numbers: a claim, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from siftset.pipeline.profile.shares import describe_sample, format_percent
from siftset.pipeline.reports.page import Status
from siftset.pipeline.reports.run.votes import describe_accuracy, is_worse_than_chance
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Check, RunMetrics, Severity

Level = Literal["note", "warn", "fail"]

_LEVEL: Final[dict[Severity, Level]] = {"info": "note", "warning": "warn", "critical": "fail"}

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
_PERSONAL: Final = {"email": "e-mail addresses", "phone": "telephone numbers"}


WORST_FIRST: Final[dict[Level, int]] = {"fail": 0, "warn": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class ReportFinding:
    """One statement about a run."""

    part: str
    level: Level
    claim: str
    todo: str = ""


def find_statements(metrics: RunMetrics) -> tuple[ReportFinding, ...]:
    """Return what stands out, in the order of the parts."""
    said = [ReportFinding("summary", "warn", warning) for warning in metrics.warnings]
    return (*said, *(finding for rule in _RULES for finding in rule(metrics)))


def part_status(found: tuple[ReportFinding, ...], part: str, *, measured: bool) -> Status:
    """Return how a part stands: its worst finding, or none when nothing was measured."""
    levels = {one.level for one in found if one.part == part}
    if "fail" in levels:
        return "fail"
    if "warn" in levels:
        return "warn"
    return "pass" if measured else "none"


def _judge_balance(metrics: RunMetrics) -> Iterator[ReportFinding]:
    rows = metrics.rows
    if not rows.kept:
        todo = "look at part 2 for the clause that removes them, then widen the formula"
        yield ReportFinding("balance", "fail", f"No row of {rows.read:,} was kept.", todo)
    if rows.unreadable:
        claim = f"{rows.unreadable:,} of {rows.read:,} records could not be read."
        todo = "fix them at the source; unreadable/ names the file and position of each"
        yield ReportFinding("balance", "warn", claim, todo)
    if rows.unknown:
        claim = f"For {rows.unknown:,} of {rows.read:,} rows the formula is unknown, so not kept."
        todo = "a signal met a null; `.fill(False)` or `.fill(True)` in the formula decides them"
        yield ReportFinding("balance", "note", claim, todo)


def _judge_signals(metrics: RunMetrics) -> Iterator[ReportFinding]:
    funnel = metrics.funnel
    if funnel is None:
        return
    seen = describe_sample(funnel.analysed, funnel.decided)
    whole = funnel.analysed >= funnel.decided
    new = "new " if metrics.run.incremental else ""
    top = funnel.tree.children if funnel.tree and funnel.tree.label == "and" else ()
    for out in funnel.leave_one_out:
        # A clause that decided rows is never said to be idle, whatever a sample of them shows.
        asked = re.compile(rf"(?<!\w){re.escape(out.signal)}(?!\w)")
        decides = any(rows and asked.search(clause) for clause, rows in funnel.clauses.items())
        if out.removed or out.added or not funnel.analysed or decides:
            continue
        # A signal that stands by itself between ands can only remove.
        does = "removes" if out.signal in {clause.label for clause in top} else "changes"
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
        yield ReportFinding("balance", "warn", claim, todo)
    for signal in funnel.signals:
        true = signal.true if signal.analysed_true is None else signal.analysed_true
        false = signal.false if signal.analysed_false is None else signal.analysed_false
        unknown = signal.unknown if signal.analysed_unknown is None else signal.analysed_unknown
        if not signal.faults and false and not true and not signal.true:
            of = f"{true + false + unknown:,} rows" if whole else seen
            if signal.analysed_true is None:
                of = f"the {signal.evaluated:,} rows that it was asked about"
            claim = f"The `{signal.name}` signal is true of none of {of}."
            yield ReportFinding("balance", "warn", claim, "check its words or its limits")


def _judge_faults(metrics: RunMetrics) -> Iterator[ReportFinding]:
    left_open = any(check.name == "signal faults" for check in metrics.checks)
    todo = "part 3 shows rows that it left undecided, with the exceptions"
    if not left_open:
        todo = "the formula decided these rows without it"
    for signal in metrics.funnel.signals if metrics.funnel else ():
        if signal.faults:
            claim = f"The `{signal.name}` signal failed on {signal.faults:,} rows."
            yield ReportFinding("balance", "warn", claim, todo)


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
    yield ReportFinding("labels", "warn", claim, "read them in part 12 and tighten the formula")


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
        todo = "`~is_null(label)` in the formula leaves them out; they stay in without it"
        yield ReportFinding("labels", "note", claim, todo)
    for voter in votes.voters:
        who = f"`{voter.voter}`, which votes for {voter.label},"
        if not voter.votes:
            claim = f"{who} votes on none of {votes.rows:,} rows."
            yield ReportFinding("labels", "warn", claim, "check its words or its limits")
        if voter.faults:
            claim = f"{who} failed on {voter.faults:,} rows, on which it has no vote."
            yield ReportFinding("labels", "warn", claim, "siftset signals test shows why")
        if is_worse_than_chance(voter, len(votes.classes)):
            right = describe_accuracy(voter.right, voter.known)
            claim = f"{who} is right on {right}: worse than chance."
            yield ReportFinding("labels", "warn", claim, "leave it out, or let it vote otherwise")


def check_level(check: Check) -> Level | Literal["pass"]:
    """Return how a check stands: its severity where it failed."""
    return "pass" if check.passed else _LEVEL[check.severity]


def _judge_checks(metrics: RunMetrics) -> Iterator[ReportFinding]:
    for check in metrics.checks:
        if check.passed:
            continue
        what = f"{check.column}: {check.name}" if check.column else check.name
        if check.failed is not None and check.rows:
            what += f" fails on {check.failed:,} of {check.rows:,} rows"
        joint = " " if check.message.startswith("(") or not check.message else ". "
        told = check.message.startswith(check.name)
        claim = check.message if told else f"{what}{joint}{check.message}".strip()
        todo = check.advice or "look at the examples in part 3; fix the source or the rule"
        yield ReportFinding("checks", _LEVEL[check.severity], claim, todo)


def _judge_columns(metrics: RunMetrics) -> Iterator[ReportFinding]:
    kept = metrics.profiles.get("kept")
    for column in kept.columns if kept else ():
        missing = column.null + column.empty + column.blank
        if kept and missing and column.name == kept.text_column:
            claim = f"{missing:,} of {kept.rows:,} kept rows have no text."
            todo = f"set integrity.rows.{column.name}.not_null and not_blank"
            yield ReportFinding("columns", "warn", claim, todo)


def _judge_duplicates(metrics: RunMetrics) -> Iterator[ReportFinding]:
    found = metrics.duplicates
    if found is None or not found.rows:
        return
    if found.relabelled:
        claim = f"{found.relabelled:,} rows repeat the text of another row under another label."
        todo = (
            "look at duplicates/; dedupe.relabelled says what becomes of them: first, drop or block"
        )
        yield ReportFinding("duplicates", "warn", claim, todo)
    repeated = sum(n or 0 for n in (found.exact, found.near, found.ids, found.labels))
    if 5 * repeated > found.rows:
        claim = f"{repeated:,} of {found.rows:,} rows that the formula kept repeat another."
        yield ReportFinding(
            "duplicates", "note", claim, "they are removed; look at the largest groups"
        )


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
        yield ReportFinding("lengths", "warn", claim, todo)
    for key, (name, todo) in _BROKEN.items():
        if number := kept.encoding.get(key, 0):
            claim = f"{number:,} of {kept.texts:,} kept texts hold {name}."
            yield ReportFinding("encoding", "warn", claim, todo)
    for key, name in _PERSONAL.items():
        if number := kept.encoding.get(key, 0):
            claim = f"{number:,} of {kept.texts:,} kept texts seem to hold {name}."
            todo = "a model can repeat what it was trained on: remove them unless they are wanted"
            yield ReportFinding("encoding", "warn", claim, todo)


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
        yield ReportFinding("leakage", "warn", claim, todo)


def _judge_answers(metrics: RunMetrics) -> Iterator[ReportFinding]:
    for leak in metrics.leakage:
        if leak.kind == "answer" and leak.rows:
            claim = (
                f"{leak.rows:,} of {leak.of:,} rows of {leak.left} end with an answer that "
                f"{leak.right} has too."
            )
            todo = "a model that learned these answers scores too high: look at the examples"
            yield ReportFinding("leakage", "warn", claim, todo)


def _judge_split(metrics: RunMetrics) -> Iterator[ReportFinding]:
    facts = metrics.split
    if facts is None or not facts.rows:
        return
    name = ", ".join(facts.group)
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
        yield ReportFinding("leakage", "warn", f"{claim}.", todo)
    for leak in facts.leaks:
        if leak.rows:
            claim = (
                f"{leak.rows:,} of {leak.of:,} rows of {leak.left} have a group ({name}) that is "
                f"also in {leak.right}."
            )
            yield ReportFinding(
                "leakage", "warn", claim, "metrics measured on them are too optimistic"
            )
    if facts.ungrouped:
        claim = f"{facts.ungrouped:,} of {facts.rows:,} rows have no group ({name})."
        yield ReportFinding("leakage", "note", claim, "each of them is split by its own text")


def _judge_drift(metrics: RunMetrics) -> Iterator[ReportFinding]:
    for one in metrics.drift:
        if one.level != "pass":
            value = f"{one.value:.3g} {one.unit}".strip()
            claim = one.message or f"{one.name} against {one.against} is {value}."
            other = "the reference" if "reference" in one.against else "the earlier version"
            todo = f"limits: {one.limits}; compare samples with {other}"
            yield ReportFinding("drift", "fail" if one.level == "fail" else "warn", claim, todo)
    for alert in metrics.alerts:
        yield ReportFinding("drift", "warn", alert, "see whether the source or the recipe changed")


_RULES: Final[tuple[Callable[[RunMetrics], Iterator[ReportFinding]], ...]] = (
    _judge_balance, _judge_faults, _judge_signals, _judge_checks, _judge_columns,
    _judge_duplicates, _judge_texts, _judge_labels, _judge_leakage, _judge_answers,
    _judge_split,
    _judge_votes,
    _judge_drift,
)  # fmt: skip
