"""What an output folder holds: where the set, the reports and the model lie, and what matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.model_registry.registry import MODELS, latest_model
from siftset.pipeline.model_registry.result import COMPARE_HTML, COMPARE_JSON, RESULT
from siftset.pipeline.profile.history import METRICS, read_metrics, set_precision
from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.run.by_hand import (
    describe_by_hand,
    describe_estimate,
    list_estimates,
)
from siftset.pipeline.storage.catalog import INDEX
from siftset.pipeline.storage.run_folder import run_folders
from siftset.schemas.errors import OutputError
from siftset.schemas.plurals import format_count
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.comparison import Comparison
from siftset.schemas.results.metrics import RunMetrics

_POSITIVE: Final = "positive_mass"
_MAIN: Final = ("perplexity", "accuracy")
_LARGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Overview:
    """Paths and figures of an output folder, by name; figures as people read them."""

    report: Path
    places: dict[str, Path]
    figures: dict[str, str]
    notes: tuple[str, ...] = ()
    """What `siftset curate` warned of when it made the set."""

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        yield from (f"  {name:<28}{figure}" for name, figure in self.figures.items())
        if self.figures:
            yield ""
        yield from (f"  note      {note}" for note in self.notes)
        if self.notes:
            yield ""
        yield from (f"  {name:<28}{path}" for name, path in self.places.items())

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {
            "report": str(self.report),
            "places": {name: str(path) for name, path in self.places.items()},
            "figures": dict(self.figures),
            "notes": list(self.notes),
        }


def describe_output(
    recipe: str | Path, *, overrides: Sequence[str] = (), version: int | None = None
) -> Overview:
    """Look at what a recipe has made, or at the run that made a version.

    Raises OutputError where there is no report yet.
    """
    from siftset.pipeline.reports.run import list_warnings

    _, store = open_store(recipe, overrides=overrides)
    made = None if version is None else store.commit_of(version).run_id
    runs = (run for run in run_folders(store.output) if made in (None, run.run_id))
    run = next((run for run in runs if run.report.is_file()), None)
    if run is None:
        raise OutputError(f"{store.output} has no report yet: run  siftset curate {recipe}")
    metrics = read_metrics(run.path / METRICS)
    figures = {} if metrics is None else dict(_set_figures(metrics))
    places = {} if store.version() is None else {"set": store.path}
    places["report of the set"] = run.report
    if any((store.output / MODELS).glob(f"*/{RESULT}")):
        model = latest_model(store.output / MODELS)
        places |= {"model": model, "before and after": model / COMPARE_HTML}
        figures |= _model_figures(model)
    places["everything"] = store.output / INDEX
    notes = () if metrics is None else list_warnings(metrics)
    return Overview(run.report, places, figures, notes)


def _set_figures(metrics: RunMetrics) -> Iterator[tuple[str, str]]:
    rows, run = metrics.rows, metrics.run
    if run.version is not None and rows.set is not None:
        yield f"rows in version {run.version}", f"{rows.set:,}"
        precision = set_precision(metrics)
        if precision is not None and precision.labelled:
            of = f"{precision.right:,} of {format_count(precision.labelled, 'labelled row')}"
            share = format_percent(precision.right, precision.labelled)
            yield f"labelled {' or '.join(precision.wanted)}", f"{share} ({of})"
    new = "new " if run.incremental else ""
    yield "kept by its run", f"{rows.kept:,} of {rows.read:,} {new}rows read"
    if metrics.review is not None:
        yield "by hand", describe_by_hand(metrics.review.by_hand) or "nothing"
        for name, estimate in list_estimates(metrics.review):
            yield name.lower(), describe_estimate(estimate)
    if metrics.label_doubts is not None:
        found = metrics.label_doubts
        share = format_percent(found.wrong, found.rows)
        yield "labels that look wrong", f"{found.wrong:,} of {found.rows:,} ({share})"
    if metrics.votes is not None:
        given = sum(one.rows for one in metrics.votes.classes)
        yield "labels by votes", f"{given:,} of {format_count(metrics.votes.rows, 'row')} read"
    between = [one for one in metrics.leakage if one.right in SPLITS and one.kind == "exact"]
    if between:
        of = " of the new rows" if run.incremental else ""
        yield "equal texts in two splits", f"{sum(one.rows for one in between):,}{of}"
    for one in metrics.leakage:
        if one.right not in SPLITS and one.kind == "any":
            yield f"rows of {one.left} in the set", f"{one.rows:,} of {one.of:,}"


def _model_figures(model: Path) -> dict[str, str]:
    """Return the figure that says most of a comparison.

    That is the mass on positive words where it was measured, unless the model before had an
    untrained head, which puts it anywhere.
    """
    found = Comparison.model_validate_json((model / COMPARE_JSON).read_bytes())
    untrained = found.before.head == "untrained"
    for change in found.mlm.mass if found.mlm and not untrained else ():
        if change.name == _POSITIVE and change.before is not None and change.after is not None:
            return {"mass on positive words": f"{change.before:.2%} -> {change.after:.2%}"}
    before, after = found.metrics.get("before", {}), found.metrics.get("after", {})
    name = next((name for name in _MAIN if after.get(name) is not None), None)
    if name is None:
        return {}
    said = "(the head before was untrained)" if untrained else ""
    return {
        name: f"{_format_figure(before.get(name))} -> {_format_figure(after[name])} {said}".rstrip()
    }


def _format_figure(figure: float | None) -> str:
    return (
        "none" if figure is None else f"{figure:,.4g}" if abs(figure) < _LARGE else f"{figure:,.0f}"
    )
