"""The index of an output folder, the page of a run in progress, and plain listings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from siftset.pipeline.reports.charts import bar, sparkline
from siftset.pipeline.reports.markup import Child, Markup, h, link
from siftset.pipeline.reports.page import (
    Column,
    Header,
    Part,
    absent,
    count,
    figures,
    page,
    percent,
    pill,
    share,
    table,
)
from siftset.pipeline.reports.run.summary import moment
from siftset.schemas.results.metrics import RunMetrics

if TYPE_CHECKING:
    from siftset.pipeline.storage.catalog import Catalog, Entry, Model

REFRESH = 2
"""Seconds between two looks at a run in progress."""

_WORDS = {"pass": "passed", "warn": "warning", "fail": "failed"}


def index_page(catalog: Catalog, *, live: bool = False) -> str:
    """Return the index; `live` follows a run in progress by loading itself anew."""
    running = catalog.progress if live else None
    parts = [Part("now", "In progress", _progress(running))] if running else []
    parts += [
        Part("trends", "Trends", _trends(catalog)),
        Part("runs", "Runs", _runs(catalog)),
        Part("models", "Models", _models(catalog.models)),
        Part("versions", "Versions of the set", _versions(catalog)),
    ]
    if catalog.others:
        items = [h("li", link(f"{name}/", name)) for name in catalog.others]
        parts.append(Part("others", "Other outputs", h("ul", items)))
    header = Header(catalog.name, "siftset · runs, versions and models")
    return page(header, parts, refresh=REFRESH if running else None)


def live_page(progress: dict[str, JsonValue] | None, *, name: str) -> str:
    """Return the page that follows a run in progress."""
    crumb = ["siftset · ", h("a", name, href="./")]
    if progress is None:
        body = absent("No run is in progress.")
        return page(Header(name, crumb), [Part("now", "In progress", body)], refresh=10)
    title = f"{progress.get('recipe') or name}: run in progress"
    return page(
        Header(title, crumb), [Part("now", "In progress", _progress(progress))], refresh=REFRESH
    )


def listing_page(name: str, entries: Sequence[tuple[str, int | None]]) -> str:
    """Return the entries of a folder: (name, bytes), None for a folder."""
    rows = [
        [link(f"{entry}/" if size is None else entry, entry), "" if size is None else count(size)]
        for entry, size in entries
    ]
    body = table([Column("Name", "text"), Column("Bytes", "num")], rows)
    header = Header(name, ["siftset · ", h("a", "up", href="../")])
    return page(header, [Part("files", "Files", body)])


def _progress(found: dict[str, JsonValue]) -> Child:
    read, kept = _whole(found, "read"), _whole(found, "kept")
    sound = read - _whole(found, "quarantined") - _whole(found, "unreadable")
    done, total = _whole(found, "done"), _whole(found, "total")
    stage = str(found.get("stage") or "starting")
    title = f"{stage}: {done:,}" + (f" of {total:,}" if total else "")
    numbers = figures(
        [
            (count(kept), "rows kept so far", f"of {count(read)} read"),
            (percent(sound, read), "integrity share", f"{count(sound)} of {count(read)}"),
            (f"{_whole(found, 'seconds'):,} s", "since the start", str(found.get("run_id") or "")),
        ]
    )
    picture = bar(done, total, title, fill="fgood") if total else None
    note = f" · {found['note']}" if found.get("note") else ""
    return [numbers, h("p", title, note), picture]


def _whole(found: dict[str, JsonValue], name: str) -> int:
    value = found.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _trends(catalog: Catalog) -> Child:
    runs = [one.metrics for one in catalog.published][-20:]
    if len(runs) < 2:
        return absent("Trends show from the second published version on.")
    shown = [
        _trend("rows kept", runs, lambda one: float(one.rows.kept), share_=False),
        _trend("rows in the set", runs, lambda one: float(one.rows.set or 0), share_=False),
        _trend("kept share", runs, lambda one: _part(one.rows.kept, one)),
        _trend("quarantined share", runs, lambda one: _part(one.rows.quarantined, one)),
        _trend("duplicate share", runs, lambda one: _part(one.rows.duplicate, one)),
        _trend("label precision", runs, _precision),
    ]
    rows = [row for row in shown if row is not None]
    head = [Column("Measure", "name"), Column(f"The last {len(runs)} versions", "nowrap")]
    return table([*head, Column("Now", "num"), Column("Before", "num")], rows)


def _trend(
    name: str,
    runs: Sequence[RunMetrics],
    measure: Callable[[RunMetrics], float | None],
    *,
    share_: bool = True,
) -> list[Child] | None:
    values = [value for one in runs if (value := measure(one)) is not None]
    if len(values) < 2:
        return None
    said = [percent(v, 1) if share_ else f"{v:,.0f}" for v in values[-2:]]
    return [name, sparkline(values, f"{name}: {', '.join(said)}"), said[1], said[0]]


def _part(rows: int, one: RunMetrics) -> float | None:
    return rows / one.rows.read if one.rows.read else None


def _precision(one: RunMetrics) -> float | None:
    found = one.label_precision
    return found.right / found.labelled if found and found.labelled else None


def _runs(catalog: Catalog) -> Child:
    if not catalog.runs:
        return absent("No run yet: siftset curate RECIPE makes one.")
    columns = [
        Column("", "nowrap"),
        Column("Run", "text"),
        Column("Version", "num"),
        Column("Kept", "num"),
        Column("Of", "num"),
        Column("", "bar"),
        Column("Started", "nowrap"),
        Column("Seconds", "num"),
    ]
    return table(columns, [_run(one) for one in reversed(catalog.runs)])


def _run(entry: Entry) -> list[Child]:
    run, rows = entry.metrics.run, entry.metrics.rows
    name: Child = h("code", run.run_id)
    return [
        pill(entry.metrics.verdict, _WORDS[entry.metrics.verdict]),
        [
            link(entry.page, name) if entry.page else name,
            h("div", f"{run.recipe} · {run.command}", class_="small soft"),
        ],
        "none" if run.version is None else str(run.version),
        count(rows.kept),
        count(rows.read),
        bar(rows.kept, rows.read, f"{rows.kept:,} of {rows.read:,} kept"),
        moment(run.started),
        f"{run.seconds:,.1f}",
    ]


def _models(models: Sequence[Model]) -> Child:
    if not models:
        return absent("No model yet: siftset train RECIPE makes one.")
    columns = [
        Column("Model", "name"),
        Column("Task", "nowrap"),
        Column("Metric", "name"),
        Column("Before", "num"),
        Column("After", "num"),
        Column("", "nowrap"),
    ]
    return table(columns, [_model(one) for one in reversed(models)])


def _model(model: Model) -> list[Child]:
    from siftset.pipeline.reports.compare.figures import VERDICTS, number  # runs have no need of it

    name = link(model.page, model.name) if model.page else model.name
    found = model.comparison
    if found is None or not found.changes:
        return [name, "" if found is None else found.task, "", "", "", ""]
    main = found.changes[0]
    judged = None
    if main.verdict != "not judged":
        judged = pill(VERDICTS[main.verdict], main.verdict)
    untrained = found.before.head == "untrained"
    before = [number(main.before), h("span", " untrained head", class_="of") if untrained else None]
    return [name, found.task, main.name.replace("_", " "), before, number(main.after), judged]


def _versions(catalog: Catalog) -> Child:
    made = {one.metrics.run.version: one.metrics for one in catalog.published}
    numbers = sorted({*catalog.versions, *(v for v in made if v is not None)}, reverse=True)
    if not numbers:
        return absent("No version yet: a run that passes its gate publishes one.")
    rows = [_version(one, catalog, made.get(one)) for one in numbers[:100]]
    columns = [Column("Version", "name"), Column("Rows", "num"), Column("Splits", "name")]
    return table([*columns, Column("Labels wanted", "num"), Column("Formula", "text")], rows)


def _version(version: int, catalog: Catalog, metrics: RunMetrics | None) -> list[Child]:
    name: Child = str(version)
    if version in catalog.versions:
        name = link(f"versions/{version}/", str(version))
    if metrics is None:
        return [name, "", "", "", ""]
    rows = metrics.rows
    splits = ", ".join(f"{split} {count(n)}" for split, n in rows.splits.items())
    precision = metrics.label_precision
    right: str | Markup = ""
    if precision is not None and precision.labelled:
        right = share(precision.right, precision.labelled)
    kept = count(rows.set if rows.set is not None else rows.kept)
    return [name, kept, splits, right, h("code", metrics.run.formula)]
