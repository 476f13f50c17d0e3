"""Tells a webhook (Slack's JSON) about a run that warns or fails."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final

from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.results.metrics import Check, RunMetrics

TIMEOUT: Final = 5.0
_MOST: Final = 10
_SIGN: Final = {"warn": "Warning", "fail": "Failed", "pass": "Passed"}
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that moves is refused: its body would go to a place that nobody named."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow nothing."""
        return


def send_alert(url: str, metrics: RunMetrics, lines: tuple[str, ...]) -> str | None:
    """Post the verdict, `lines` and what failed on warning and failure, and on a change of pace.

    Return why it did not arrive, or None.

    Nothing is raised and the address is never part of the answer: it is a secret.
    """
    bad = [c for c in metrics.checks if not c.passed and c.severity != "info"]
    untold = [c for c in bad if not any(_describe_check(c) in line for line in lines)]
    failures = (f"{check.severity}: {_describe_check(check)}" for check in untold)
    told = (*lines, *failures, *metrics.alerts)
    if metrics.verdict == "pass" and not told:
        return None
    if not url.lower().startswith(("http://", "https://")):
        return "alert not sent: refresh.notify is not an http or https address"
    failed = post_json(url, make_message(metrics, told))
    return f"alert not sent: {failed}" if failed else None


def post_json(
    url: str, content: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> str | None:
    """Post JSON; return why it did not arrive, or None. The address is never part of the answer."""
    if not url.lower().startswith(("http://", "https://")):
        return "the address is not an http or https one"
    known = {"Content-Type": "application/json", "User-Agent": "siftset", **(headers or {})}
    answer: list[str | None] = []

    def post() -> None:
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            body = hide_values(json.dumps(content)).encode()
            request = urllib.request.Request(url, data=body, headers=known, method="POST")
            with opener.open(request, timeout=TIMEOUT):
                answer.append(None)
        except urllib.error.HTTPError as error:
            error.close()
            answer.append(f"the address answered {error.code}")
        except (OSError, ValueError, HTTPException) as error:
            answer.append(type(error).__name__)

    # A thread, because the timeout of a socket starts again with every byte that comes.
    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    thread.join(2 * TIMEOUT)
    return answer[0] if answer else f"no answer within {2 * TIMEOUT:g} seconds"


def make_message(metrics: RunMetrics, lines: tuple[str, ...]) -> dict[str, object]:
    """Return what is posted: `text` for Slack, the rest for other receivers."""
    run, rows = metrics.run, metrics.rows
    head = f"{_SIGN[metrics.verdict]}: {run.recipe}, run {run.run_id}"
    kept = (
        f"{rows.kept:,} of {format_count(rows.read, 'row')} kept, {rows.quarantined:,} quarantined"
    )
    published = "nothing published" if run.version is None else f"version {run.version} published"
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    said = [f"*{escape_slack(head)}*", f"{kept}; {published}"]
    said += [f"- {escape_slack(line)}" for line in [*lines[:_MOST], *more]]
    return {
        "text": "\n".join(said),
        "verdict": metrics.verdict,
        "recipe": run.recipe,
        "run_id": run.run_id,
        "version": run.version,
        "rows": {"read": rows.read, "kept": rows.kept, "quarantined": rows.quarantined},
        "alerts": list(lines),
    }


def _describe_check(check: Check) -> str:
    if check.message and check.stage != "row rules":
        return check.message
    where = f"{check.name} on {check.column}" if check.column else check.name
    if check.failed is None or check.rows is None:
        return f"{where} {check.message}".strip()
    rows = f"{check.failed:,} of {format_count(check.rows, 'row')}"
    return f"{where}: {rows} {check.message}".strip()


def escape_slack(text: str) -> str:
    """Escape what Slack reads as a link or a mention."""
    return " ".join(text.split()).translate(_ESCAPES)[:500]
