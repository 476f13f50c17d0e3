"""What a run leaves that ended in a defect: its folder, with the error, for the index to show."""

from __future__ import annotations

import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from siftset.pipeline.reports.index import write_index
from siftset.pipeline.run.job import describe_recipe
from siftset.pipeline.stages.measures.measure import describe_input, describe_run
from siftset.pipeline.stages.publish import render_report, write_metrics
from siftset.pipeline.storage.atomic_files import atomic_write, write_json
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.schemas.errors import describe_error
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.environment import hide_in_json, hide_values
from siftset.schemas.results.metrics import Check, Rows, RunMetrics
from siftset.schemas.results.summary import Balance

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun

ERROR: Final = "error.txt"


def store_dead_run(run: CurateRun, error: BaseException, read: Balance) -> None:
    """Keep a folder of a run that a defect ended, and note on the error where it lies.

    `read` counts the rows that were done by then. A run whose folder is in place already keeps it:
    the defect came after what matters was written. What fails in here never hides the defect.
    """
    folder = RunFolder(run.store.output, run.run_id)
    if run.options.is_preview or folder.path.exists():
        return
    with suppress(Exception):
        facts = describe_run(run, incremental=False)
        manifest = hide_in_json(
            {
                "schema_version": 1,
                "run_id": run.run_id,
                "command": run.command,
                "state": "died",
                "key": run.job.key,
                "base_version": facts.base_version,
                "version": None,
                "started": facts.started,
                "seconds": facts.seconds,
                "verdict": "fail",
                "recipe": describe_recipe(run.job),
                "inputs": [dict(entry) for entry in run.job.sources.inputs],
                "versions": dict(facts.versions),
                "rows": dict(read.to_json()),
                "error": describe_error(error),
            }
        )
        assert isinstance(manifest, dict)
        draft = run.folder / "dead"
        draft.mkdir()
        with atomic_write(draft / ERROR) as text:
            told = "".join(traceback.format_exception(error))
            text.write_text(hide_values(told), encoding="utf-8")
        check = Check(
            name="the run",
            stage="input",
            passed=False,
            rows=read.read,
            message=f"The run died of {describe_error(error)}, "
            f"after {format_count(read.read, 'row')}.",
            advice=f"this is a defect, not a fault of the data: report it with {ERROR}, which lies "
            "beside this page",
        )
        metrics = RunMetrics(
            verdict="fail",
            run=facts,
            inputs=tuple(map(describe_input, run.job.sources.inputs)),
            rows=Rows(**read.to_json()),
            checks=(check,),
            links={"The error": ERROR, "Recipe, inputs and software": MANIFEST},
        )
        write_metrics(draft, metrics)
        write_json(draft / MANIFEST, manifest)
        render_report(draft)
        folder.path.parent.mkdir(exist_ok=True)
        draft.replace(folder.path)
        write_index(run.store.output)
        error.add_note(f"what is known of the run lies in {folder.path}")
