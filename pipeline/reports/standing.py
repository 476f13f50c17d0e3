"""How an output stands: its verdict, the plans that wait, and who approved what."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from siftset.pipeline.reports.difference.lines import describe_changes
from siftset.pipeline.reports.markup import Child, Markup, h, link_file
from siftset.pipeline.reports.page import TableColumn, draw_table, label_status, show_command
from siftset.pipeline.reports.run.summary import format_moment
from siftset.pipeline.storage.catalog import Catalog
from siftset.pipeline.storage.plan_folder import DIFF_HTML, PLANS
from siftset.pipeline.storage.tags import tags_of
from siftset.schemas.plurals import format_count
from siftset.schemas.results.plan import Approval, Plan

_WORDS = {"pass": "passed", "warn": "warning", "fail": "failed"}


def name_set(catalog: Catalog) -> str:
    """Return the name of the recipe whose output it is; that of the folder before the first run."""
    if catalog.runs:
        return catalog.runs[-1].metrics.run.recipe or catalog.name
    return catalog.plans[0].recipe if catalog.plans else catalog.name


def describe_standing(catalog: Catalog) -> Child:
    """Say in one line how the latest run ended, what is published, and whether something waits."""
    if not catalog.runs and not catalog.plans:
        return h("span", "No run yet.")
    said: list[Child] = []
    if catalog.runs:
        last = catalog.runs[-1].metrics
        said.append(label_status(last.verdict, _WORDS[last.verdict]))
        if last.run.version is None:
            said.append(h("span", f"The latest run, {last.run.run_id}, published nothing."))
    if catalog.published:
        newest = max(catalog.published, key=lambda one: one.metrics.run.version or 0).metrics
        rows = newest.rows.set if newest.rows.set is not None else newest.rows.kept
        names = ", ".join(tags_of(catalog.tags, newest.run.version))
        named = f" ({names})" if names else ""
        said.append(
            h("span", f"Version {newest.run.version}{named} holds {format_count(rows, 'row')}.")
        )
    else:
        said.append(h("span", "Nothing is published yet."))
    waiting = [plan for plan in catalog.plans if plan.refusal is None]
    if waiting:
        count = (
            "One plan waits" if len(waiting) == 1 else f"{format_count(len(waiting), 'plan')} wait"
        )
        said.append(h("a", f"{count} for approval.", href="#plans"))
    return said


def list_plans(plans: Sequence[Plan], arguments: Mapping[str, Sequence[str]]) -> Markup:
    """Return the plans that lie there as a table, with the page and the command of each.

    `arguments` are the recipe and its changes, by plan.
    """
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("Plan", "text"),
        TableColumn("What would change", "name"),
        TableColumn("Against", "nowrap"),
        TableColumn("Laid", "nowrap"),
    ]
    rows: list[list[Child]] = [
        [
            label_status(plan.verdict, _WORDS[plan.verdict]),
            [
                link_file(f"{PLANS}/{plan.plan_id}/{DIFF_HTML}", h("code", plan.plan_id)),
                h("div", "by ", plan.by, class_="small soft"),
            ],
            [describe_changes(plan.changes), _tell_next(plan, arguments.get(plan.plan_id, ()))],
            "nothing" if plan.base_version is None else f"version {plan.base_version}",
            format_moment(plan.created),
        ]
        for plan in plans
    ]
    return draw_table(columns, rows)


def _tell_next(plan: Plan, arguments: Sequence[str]) -> Markup | None:
    """Return the command that publishes a plan, or why none does."""
    if plan.refusal is not None:
        return h("div", "Cannot be applied: ", plan.refusal, class_="small soft")
    if not arguments:
        return None
    recipe, *changes = arguments
    return show_command(shlex.join(["siftset", "apply", recipe, plan.plan_id, *changes]))


def show_approval(approval: Approval | None) -> Markup | None:
    """Return who approved a version and why, below its number."""
    if approval is None:
        return None
    note = f": {approval.note}" if approval.note else ""
    return h("div", f"approved by {approval.by}{note}", class_="small soft")
