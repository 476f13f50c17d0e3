"""Tells a webhook (Slack's JSON) that a plan waits, or that one was approved."""

from __future__ import annotations

from collections.abc import Mapping

from siftset.pipeline.notifications.webhook import escape_slack, post_json
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.environment import VARIABLE
from siftset.schemas.results.plan import Approval, Plan, RowChanges


def send_notice(url: str, message: Mapping[str, object]) -> str | None:
    """Post a message; return why it did not arrive, or None. Nothing is raised."""
    if VARIABLE.search(url):
        return "notice not sent: the variable that refresh.notify names is not set"
    if not url.lower().startswith(("http://", "https://")):
        return "notice not sent: refresh.notify is not an http or https address"
    failed = post_json(url, message)
    return f"notice not sent: {failed}" if failed else None


def plan_message(plan: Plan, command: str, *, page: str) -> dict[str, object]:
    """Return what is posted of a plan that waits: its figures and the command that applies it."""
    against = "nothing yet" if plan.base_version is None else f"version {plan.base_version}"
    lines = [
        f"*Waiting for approval: {escape_slack(plan.recipe)}, plan {plan.plan_id}*",
        f"{_count(plan.changes)} against {against}; {format_count(plan.set_rows, 'row')} in "
        f"the set then; verdict {plan.verdict}",
        f"- look: {escape_slack(page)}/diff.html",
        f"- apply: {escape_slack(command)}",
    ]
    return {"text": "\n".join(lines), "event": "waiting", "command": command, **_figures(plan)}


def applied_message(plan: Plan, approval: Approval, version: int | None) -> dict[str, object]:
    """Return what is posted of a plan that was approved."""
    said = f": {escape_slack(approval.note)}" if approval.note else ""
    lines = [
        f"*Approved: {escape_slack(plan.recipe)}, version {version}*",
        f"{_count(plan.changes)}; by {escape_slack(approval.by)}{said}",
    ]
    by = {"by": approval.by, "note": approval.note, "version": version}
    return {"text": "\n".join(lines), "event": "applied", **by, **_figures(plan)}


def _count(changes: RowChanges) -> str:
    return (
        f"{format_count(changes.added, 'row')} added, {changes.removed:,} removed, "
        f"{changes.changed:,} changed"
    )


def _figures(plan: Plan) -> dict[str, object]:
    return {
        "recipe": plan.recipe,
        "plan": plan.plan_id,
        "base_version": plan.base_version,
        "verdict": plan.verdict,
        "changes": plan.changes.model_dump(mode="json"),
        "set_rows": plan.set_rows,
    }
