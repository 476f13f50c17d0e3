"""Commands that act on what a report says, as one would type them."""

from __future__ import annotations

import shlex
from functools import lru_cache

from siftset.pipeline.reports.markup import Child, h, link_file
from siftset.pipeline.reports.page import show_command
from siftset.pipeline.storage.run_rows import ROW_FOLDERS, RowKind
from siftset.schemas.errors import SiftsetError
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.metrics_part import Example
from siftset.signals.formula.formula import parse
from siftset.signals.formula.tree import drop_signal, show


def write_command(metrics: RunMetrics, verb: str, *words: str) -> str:
    """Return a command about the recipe of a run; nothing where the recipe has no file."""
    if not metrics.run.arguments:
        return ""
    recipe, *changes = metrics.run.arguments
    return shlex.join(["siftset", verb, recipe, *words, *changes])


def curate_with(metrics: RunMetrics, *changes: str) -> str:
    """Return the command that curates again with changes of the recipe."""
    return write_command(metrics, "curate", *(word for one in changes for word in ("--set", one)))


def export_rows(metrics: RunMetrics, kind: RowKind) -> str:
    """Return the command that writes the rows of a run that are not in the set to one file."""
    if metrics.run.command == "preview":  # its rows are those of the next preview, too
        return ""
    ending = "jsonl" if kind == "unreadable" else "csv"
    run = ("--run", metrics.run.run_id)
    return write_command(metrics, "export", "--rows", kind, *run, "--out", f"{kind}.{ending}")


def explain_example(metrics: RunMetrics, examples: tuple[Example, ...]) -> str:
    """Return the command that explains the first row of some examples."""
    row = next((one.row_id for one in examples if one.row_id), None)
    return write_command(metrics, "explain", "--row", row) if row else ""


def try_without(metrics: RunMetrics, signal: str) -> str:
    """Return the command that says which rows move when a signal is taken out of the formula."""
    try:
        left = drop_signal(_parse_once(metrics.run.formula).root, signal)
    except SiftsetError:  # the formula of a signal made in Python has no text to parse
        left = None
    if left is None:
        return write_command(metrics, "explain", "--analyze")
    how = "--analyze" if metrics.run.version is None else "--diff"
    return write_command(metrics, "explain", how, "--set", f"keep={show(left)}")


_parse_once = lru_cache(maxsize=1)(parse)


def link_rows(metrics: RunMetrics, kind: RowKind) -> Child:
    """Return the line below a table of rows: where all of them lie, and the command that writes
    them to one file.
    """
    folder = f"{ROW_FOLDERS[kind]}/"
    if folder not in metrics.links.values():
        return None
    where = h("p", "All of them, as Parquet: ", link_file(folder, folder), class_="small soft")
    return h("div", where, show_command(export_rows(metrics, kind)), class_="extract")


def link_kept_rows(metrics: RunMetrics) -> Child:
    """Return the same for the rows of the set; nothing where the run published no version."""
    version = metrics.run.version
    if version is None:
        return None
    name = f"versions/{version}/"
    where = link_file(f"../../{name}", name)
    number = str(version)
    command = write_command(metrics, "export", "--version", number, "--out", f"set-{number}.csv")
    said = h("p", "The whole set, as Parquet: ", where, class_="small soft")
    return h("div", said, show_command(command), class_="extract")
