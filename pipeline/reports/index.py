"""The index of an output folder, the page of a run in progress, and plain listings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from siftset.pipeline.profile.history import like_runs, set_precision
from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.charts import draw_bar, draw_sparkline
from siftset.pipeline.reports.markup import Child, Markup, h, link_file
from siftset.pipeline.reports.page import (
    Header,
    PagePart,
    TableColumn,
    call_out,
    draw_table,
    format_share,
    label_status,
    list_statement,
    note_absence,
    render_page,
    show_command,
    show_figures,
)
from siftset.pipeline.reports.run.by_hand import describe_by_hand
from siftset.pipeline.reports.run.findings import find_statements
from siftset.pipeline.reports.run.statement import rank_statements
from siftset.pipeline.reports.run.summary import format_moment, order_splits
from siftset.pipeline.reports.standing import (
    describe_standing,
    list_plans,
    name_set,
    show_approval,
)
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.catalog import INDEX, Catalog, ModelEntry, RunEntry, read_catalog
from siftset.pipeline.storage.tags import tags_of
from siftset.schemas.plurals import format_count
from siftset.schemas.results.label_metrics import LabelPrecision
from siftset.schemas.results.metrics import RunMetrics

REFRESH = 2
"""Seconds between two looks at a run in progress."""

_MOST_FINDINGS = 4
_WORDS = {"pass": "passed", "warn": "warning", "fail": "failed"}


def index_page(catalog: Catalog, *, live: bool = False) -> str:
    """Return the index; `live` follows a run in progress by reloading itself."""
    running = catalog.progress if live else None
    parts = [PagePart("now", "In progress", _show_progress(running))] if running else []
    if catalog.plans:
        parts.append(
            PagePart(
                "plans", "Waiting for approval", list_plans(catalog.plans, catalog.plan_arguments)
            )
        )
    if catalog.runs:
        parts.append(PagePart("latest", "The latest run", _list_findings(catalog.runs[-1])))
    parts += [
        PagePart("trends", "Trends", _list_trends(catalog)),
        PagePart("runs", "Runs", _list_runs(catalog)),
        PagePart("models", "Models", _list_models(catalog.models)),
        PagePart("versions", "Versions of the set", _list_versions(catalog)),
    ]
    if live and catalog.recipe:
        parts.append(PagePart("review", "Look at rows and decide", _offer_review(catalog.recipe)))
    if catalog.others:
        items = [h("li", link_file(f"{name}/", name)) for name in catalog.others]
        parts.append(PagePart("others", "Other outputs", h("ul", items)))
    header = Header(
        name_set(catalog), "siftset · runs, versions and models", describe_standing(catalog)
    )
    return render_page(header, parts, refresh=REFRESH if running else None)


def _offer_review(recipe: str) -> Child:
    said = "Every row with what the signals said of it, the doubtful ones first; this serves it:"
    return h("p", said), show_command(f"siftset review {shlex.quote(recipe)}")


def write_index(output: Path) -> Path:
    """Write index.html, the page of every run, version and model; return its path."""
    path = output / INDEX
    with atomic_write(path) as draft:
        draft.write_text(index_page(read_catalog(output)), encoding="utf-8")
    return path


def live_page(progress: dict[str, JsonValue] | None, *, name: str) -> str:
    """Return the page that follows a run in progress."""
    crumb = ["siftset · ", h("a", name, href="./")]
    if progress is None:
        body = note_absence("No run is in progress.")
        return render_page(Header(name, crumb), [PagePart("now", "In progress", body)], refresh=10)
    title = f"{progress.get('recipe') or name}: run in progress"
    return render_page(
        Header(title, crumb),
        [PagePart("now", "In progress", _show_progress(progress))],
        refresh=REFRESH,
    )


def listing_page(name: str, entries: Sequence[tuple[str, int | None]]) -> str:
    """Return the entries of a folder: (name, bytes), None for a folder."""
    rows = [
        [
            link_file(f"{entry}/" if size is None else entry, entry),
            "" if size is None else f"{size:,}",
        ]
        for entry, size in entries
    ]
    body = draw_table([TableColumn("Name", "text"), TableColumn("Bytes", "num")], rows)
    header = Header(name, ["siftset · ", h("a", "up", href="../")])
    return render_page(header, [PagePart("files", "Files", body)])


def _show_progress(found: dict[str, JsonValue]) -> Child:
    read, kept = _whole_number(found, "read"), _whole_number(found, "kept")
    sound = read - _whole_number(found, "quarantined") - _whole_number(found, "unreadable")
    done, total = _whole_number(found, "done"), _whole_number(found, "total")
    stage = str(found.get("stage") or "starting")
    title = f"{stage}: {done:,}" + (f" of {total:,}" if total else "")
    numbers = show_figures(
        [
            (f"{kept:,}", "rows kept so far", f"of {read:,} read"),
            (
                format_percent(sound, read),
                "integrity share",
                f"{sound:,} of {read:,}",
            ),
            (
                f"{_whole_number(found, 'seconds'):,} s",
                "since the start",
                str(found.get("run_id") or ""),
            ),
        ]
    )
    picture = draw_bar(done, total, title, fill="fgood") if total else None
    note = f" · {found['note']}" if found.get("note") else ""
    return [numbers, h("p", title, note), picture]


def _whole_number(found: dict[str, JsonValue], name: str) -> int:
    value = found.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _list_trends(catalog: Catalog) -> Child:
    runs = [one.metrics for one in catalog.published][-20:]
    if len(runs) < 2:
        return note_absence("Trends show from the second published version on.")
    like = like_runs(runs[-1], runs)
    what = "Of what was new in each run" if runs[-1].run.incremental else "Of all that a run read"
    rows = [
        _trend_row("rows in the set", runs, lambda one: float(one.rows.set or 0), as_share=False),
        _trend_row("label precision of the set", runs, lambda one: _precision(set_precision(one))),
    ]
    of_runs = [
        _trend_row("rows kept", like, lambda one: float(one.rows.kept), as_share=False),
        *(
            _trend_row(f"{name} share", like, partial(_share_of_read, name))
            for name in ("kept", "quarantined", "duplicate")
        ),
        _trend_row("label precision", like, lambda one: _precision(one.label_precision)),
    ]
    return [
        draw_table(
            [
                TableColumn(title, "name"),
                TableColumn(f"The last {format_count(len(group), 'version')}", "nowrap"),
                TableColumn("Now", "num"),
                TableColumn("Before", "num"),
            ],
            [row for row in shown if row is not None],
        )
        for title, group, shown in (("Of the set", runs, rows), (what, like, of_runs))
        if any(shown)
    ]


def _trend_row(
    name: str,
    runs: Sequence[RunMetrics],
    measure: Callable[[RunMetrics], float | None],
    *,
    as_share: bool = True,
) -> list[Child] | None:
    values = [value for one in runs if (value := measure(one)) is not None]
    if len(values) < 2:
        return None
    said = [format_percent(v, 1) if as_share else f"{v:,.0f}" for v in values[-2:]]
    return [
        name,
        draw_sparkline(values, f"{name}: {', '.join(said)}", as_share=as_share),
        said[1],
        said[0],
    ]


def _share_of_read(name: str, one: RunMetrics) -> float | None:
    return getattr(one.rows, name) / one.rows.read if one.rows.read else None


def _precision(found: LabelPrecision | None) -> float | None:
    return found.right / found.labelled if found and found.labelled else None


def _list_findings(entry: RunEntry) -> Child:
    """Return the worst of what the latest run found, with the page that says it all."""
    found = rank_statements(find_statements(entry.metrics))
    grave = [one for one in found if one.level != "note"]
    items = [
        list_statement(one.level, one.claim, one.todo, command=one.command)
        for one in grave[:_MOST_FINDINGS]
    ]
    more = len(found) - len(items)
    rest = f"{format_count(more, 'more finding')}, " if more else ""
    whole = [rest, "all figures and samples: "]
    page = link_file(entry.page, "the report of the run") if entry.page else None
    body = h("ul", items, class_="briefs") if items else call_out("pass", "Nothing to look at.")
    return [body, h("p", whole, page, class_="small soft") if page else None]


def _list_runs(catalog: Catalog) -> Child:
    if not catalog.runs:
        return note_absence("No run yet: siftset curate RECIPE makes one.")
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("Run", "text"),
        TableColumn("Version", "num"),
        TableColumn("Kept by it", "num"),
        TableColumn("Of", "num"),
        TableColumn("", "bar"),
        TableColumn("Started", "nowrap"),
        TableColumn("Seconds", "num"),
    ]
    shown: list[list[Child]] = []
    for entry in reversed(catalog.runs):
        run, rows = entry.metrics.run, entry.metrics.rows
        name: Child = h("code", run.run_id)
        shown.append(
            [
                label_status(entry.metrics.verdict, _WORDS[entry.metrics.verdict]),
                [
                    link_file(entry.page, name) if entry.page else name,
                    h("div", f"{run.recipe} · {run.command}", class_="small soft"),
                    _say_by_hand(entry.metrics),
                ],
                "none" if run.version is None else str(run.version),
                f"{rows.kept:,}",
                f"{rows.read:,}",
                draw_bar(rows.kept, rows.read, f"{rows.kept:,} of {rows.read:,} kept"),
                format_moment(run.started),
                f"{run.seconds:,.1f}",
            ]
        )
    return draw_table(columns, shown)


def _say_by_hand(metrics: RunMetrics) -> Child:
    review = metrics.review
    if review is None or not review.by_hand:
        return None
    return h("div", f"{describe_by_hand(review.by_hand)} by hand", class_="small soft")


def _list_models(models: Sequence[ModelEntry]) -> Child:
    if not models:
        return note_absence("No model yet: siftset train RECIPE makes one.")
    from siftset.pipeline.reports.compare.figures import (  # runs have no need of it
        VERDICTS,
        format_number,
    )
    from siftset.pipeline.reports.compare.metric_names import name_metric, pick_headlines

    columns = [
        TableColumn("Model", "name"),
        TableColumn("Task", "nowrap"),
        TableColumn("Metric", "name"),
        TableColumn("Before", "num"),
        TableColumn("After", "num"),
        TableColumn("", "nowrap"),
    ]
    rows: list[list[Child]] = []
    for model in reversed(models):
        name = link_file(model.page, model.name) if model.page else model.name
        found = model.comparison
        if found is None or not found.changes:
            rows.append([name, "" if found is None else found.task, "", "", "", ""])
            continue
        main = pick_headlines(found.task, found.changes)[0]
        judged = None
        if main.verdict != "not judged":
            judged = label_status(VERDICTS[main.verdict], main.verdict)
        untrained = h("span", " untrained head", class_="of")
        before = [
            format_number(main.before),
            untrained if found.before.head == "untrained" else None,
        ]
        after = format_number(main.after)
        rows.append([name, found.task, name_metric(main.name), before, after, judged])
    return draw_table(columns, rows)


def _list_versions(catalog: Catalog) -> Child:
    made = {one.metrics.run.version: one for one in catalog.published}
    numbers = sorted({*catalog.versions, *(v for v in made if v is not None)}, reverse=True)
    if not numbers:
        return note_absence("No version yet: a run that passes its gate publishes one.")
    columns = [
        TableColumn("Version", "name"),
        TableColumn("Rows", "num"),
        TableColumn("Changes", "nowrap"),
        TableColumn("Splits and formula", "text"),
        TableColumn("Labels wanted, of its rows", "num"),
    ]
    shown: list[list[Child]] = []
    for version in numbers[:100]:
        name: Child = str(version)
        if version in catalog.versions:
            name = link_file(f"versions/{version}/", str(version))
        tags = [h("span", tag, class_="pill") for tag in tags_of(catalog.tags, version)]
        entry = made.get(version)
        if entry is None:
            shown.append([[name, " ", tags], "", "", "", ""])
            continue
        metrics = entry.metrics
        rows = metrics.rows
        splits = ", ".join(f"{split} {n:,}" for split, n in order_splits(rows.splits))
        precision = set_precision(metrics)
        right: str | Markup = ""
        if precision is not None and precision.labelled:
            right = format_share(precision.right, precision.labelled)
        kept = f"{rows.set if rows.set is not None else rows.kept:,}"
        change = link_file(entry.difference, "what changed") if entry.difference else ""
        shown.append(
            [
                [name, " ", tags, show_approval(entry.approval)],
                kept,
                change,
                [splits, h("div", h("code", metrics.run.formula), class_="small soft")],
                right,
            ]
        )
    return draw_table(columns, shown)
