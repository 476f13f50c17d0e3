"""The end of a run, as a person wants to read it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.storage.remote import origin_of
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.loading import load_recipe
from siftset.schemas.results.summary import CurateResult


def curate_summary(result: CurateResult, following: str) -> str:
    """Return the verdict, the closing balance, where everything lies, and the command to follow."""
    lines = [_head_line(result), ""]
    # The balance of an earlier run would read as if this one had read those rows.
    if result.new or result.plan is not None or result.version is None:
        lines += [*_describe_run(result)]
    if result.plan is not None:
        lines += [f"  plan      {shorten_path(result.report.parent)}"]
    elif result.version is None:
        lines += [f"  preview   {shorten_path(result.report.parent)}"]
    else:
        held = ", ".join(f"{name} {rows:,}" for name, rows in result.splits.items())
        table = shorten_path(result.output / "set")
        lines += [
            f"  set       {table}  version {result.version}  ({held})",
            f"  files     {shorten_path(result.output / 'versions' / str(result.version))}",
        ]
        origin = origin_of(result.output)
        lines += [] if origin is None else [f"  store     {origin.address}"]
    lines += [
        f"  report    {shorten_path(result.report)}",
        f"  next      {following}",
    ]
    return "\n".join(lines)


def _describe_run(result: CurateResult) -> Iterator[str]:
    """Yield the balance, the scores, the change against the version before, and the notes."""
    balance = result.rows.to_json()
    read = balance.pop("read")
    yield f"  read        {read:>12,}"
    for name, count in balance.items():
        share = f"{format_percent(count, read):>8}" if read else ""
        note = (
            f"  ({result.unknown_rows:,} of them unknown)"
            if name == "rejected" and result.unknown_rows
            else ""
        )
        yield f"  {name:<12}{count:>12,}  {share}{note}"
    if result.by_hand:
        from siftset.pipeline.reports.run.by_hand import describe_by_hand

        yield f"  by hand       {describe_by_hand(result.by_hand)}"
    yield ""
    for name, rows in result.scores.items():
        yield (
            f"  scores    {name}: {format_count(rows['scored'], 'row')} scored, "
            f"{rows['cached']:,} known from equal rows or earlier runs"
        )
    if result.turnover is not None:
        moved = result.turnover
        yield (
            f"  changes   {format_count(moved.entered, 'row')} added, {moved.left:,} removed "
            f"since version {moved.against}"
        )
    if result.notes:
        yield from (f"  note      {note}" for note in result.notes)
        yield ""


def shorten_path(path: Path) -> str:
    """Return a path as it is shortest to type from here."""
    try:
        shown = os.path.relpath(path)
    except ValueError:
        return str(path)
    return str(path) if shown.startswith("..") else shown


def _head_line(result: CurateResult) -> str:
    if result.plan is not None:
        from siftset.pipeline.reports.difference.lines import describe_changes

        again = "" if result.new else " (it existed already)"
        told = describe_changes(result.plan.changes)
        return f"Plan {result.plan.plan_id} waits for approval{again}, nothing published: {told}"
    if result.version is None:
        return f"Preview, nothing published; verdict {result.verdict}; {result.seconds:.1f} s"
    if not result.new:
        return (
            f"Nothing new: version {result.version} was made from this recipe and this input "
            f"(run {result.run_id})"
        )
    return (
        f"Published version {result.version} with {format_count(result.set_rows, 'row')}; "
        f"verdict {result.verdict}; {result.seconds:.1f} s"
    )


def next_command(
    result: CurateResult, recipe: str, overrides: Sequence[str] = (), *, again: str = "curate"
) -> str:
    """Return the command that goes on from a run, about the same set.

    It is `again` after a preview, and `train` where the recipe trains and the run has not.
    """
    changes = [part for change in overrides for part in ("--set", change)]
    verb = again
    if result.plan is not None:
        return shlex.join(["siftset", "apply", recipe, result.plan.plan_id, *changes])
    if result.version is not None:
        trains = load_recipe(recipe, overrides=overrides, uses=()).recipe.train is not None
        trained = bool(result.model and result.model.get("due"))
        verb = "explain" if not trains else "report" if trained else "train"
    return shlex.join(["siftset", verb, recipe, *changes])
