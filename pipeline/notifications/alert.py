"""The alert of a curate run: the recipe's webhook hears of a run that warns or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.schemas.recipe.environment import VARIABLE

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun


def send_run_alert(run: CurateRun, folder: Path, lines: tuple[str, ...] = ()) -> None:
    """Tell the webhook of the run whose folder is given; say why where that did not work.

    Curating needs no webhook, so an environment variable that is not set stops nothing.
    """
    url = run.job.recipe.refresh.notify
    metrics = read_metrics(folder / METRICS)
    if not url or metrics is None or (metrics.verdict == "pass" and not metrics.alerts):
        return
    if VARIABLE.search(url):
        failed: str | None = "alert not sent: the variable that refresh.notify names is not set"
    else:
        from siftset.pipeline.notifications.webhook import send_alert

        failed = send_alert(url, metrics, lines)
    if failed:
        run.progress.say(f"warning: {failed}")
