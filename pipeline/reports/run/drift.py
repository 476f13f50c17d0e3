"""Parts 10 to 12: leakage, drift, samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from siftset.pipeline.profile.drift import DEFINITIONS
from siftset.pipeline.profile.shares import describe_sample, format_figure
from siftset.pipeline.profile.stop_words import STOP_WORDS
from siftset.pipeline.reports.charts import draw_bar
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_share,
    label_status,
    note_absence,
)
from siftset.pipeline.reports.run.actions import link_kept_rows, link_rows
from siftset.pipeline.reports.run.checks import example_row
from siftset.pipeline.storage.run_rows import RowKind
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import Leak, RunMetrics, Sample
from siftset.schemas.results.profile_metrics import Profile, TokenUse

_TITLES = {
    "kept": "Kept",
    "rejected": "Rejected",
    "mislabelled": "Kept, but with another label",
    "quarantined": "Quarantined",
    "duplicate": "Duplicate",
    "unreadable": "Unreadable",
}


_LONG_ID: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20}\b")
"""An id, of which twelve characters are as many as elsewhere on the page."""
_KINDS: Final[dict[str, RowKind]] = {
    "rejected": "rejected",
    "quarantined": "quarantined",
    "duplicate": "duplicates",
    "unreadable": "unreadable",
}


def leakage_part(metrics: RunMetrics) -> Child:
    """Return the rows that two splits share, and those of a held-out file that the set has."""
    if not metrics.leakage:
        return note_absence(_why_not_measured(metrics))
    columns = [TableColumn("Row", "name"), TableColumn("Text", "text"), TableColumn("", "name")]
    shown = []
    for leak in metrics.leakage:
        if leak.examples:
            examples = draw_table(columns, [example_row(one) for one in leak.examples])
            title = h("summary", f"{leak.left} in {leak.right}, {leak.kind}: examples")
            shown.append(h("details", title, examples))
    notes = {leak.kind: leak.note for leak in metrics.leakage if leak.note and leak.kind != "any"}
    said = [f"{kind[:1].upper()}{kind[1:]}: {note}." for kind, note in notes.items()]
    if metrics.run.incremental:
        said.append("Splits: the rows that this run added, not those of earlier versions.")
    pairs = dict.fromkeys((leak.left, leak.right) for leak in metrics.leakage)
    near = {(leak.left, leak.right) for leak in metrics.leakage if leak.kind == "near"}
    if not_near := [f"{left} in {right}" for left, right in pairs if (left, right) not in near]:
        said.append(
            f"Near duplicates were not looked for ({', '.join(not_near)}): there are more than "
            "200,000 rows. dedupe.near, such as 0.8, removes near duplicates before the split."
        )
    extract = link_kept_rows(metrics) if shown else None
    notes_ = [h("p", one, class_="small soft") for one in said]
    return [_leakage_table(metrics.leakage), notes_, shown, extract]


def _leakage_table(leakage: Sequence[Leak]) -> Child:
    """Show a pair of splits a line, and a column for each way in which its rows were compared."""
    kinds = sorted(dict.fromkeys(leak.kind for leak in leakage), key=lambda kind: kind == "any")
    pairs: dict[tuple[str, str], dict[str, Leak]] = {}
    for leak in leakage:
        pairs.setdefault((leak.left, leak.right), {})[leak.kind] = leak
    rows: list[list[Child]] = []
    for (left, right), found in pairs.items():
        leaks = any(leak.rows for leak in found.values())
        status = label_status("warn", "leaks") if leaks else label_status("pass", "clean")
        cells = [_show_leak(found.get(kind)) for kind in kinds]
        rows.append([status, f"{left} in {right}", *cells])
    names = ["In any way" if kind == "any" else kind[:1].upper() + kind[1:] for kind in kinds]
    head = [TableColumn("", "nowrap"), TableColumn("Rows of", "name")]
    return draw_table([*head, *(TableColumn(name, "num") for name in names)], rows)


def _show_leak(leak: Leak | None) -> Child:
    if leak is None:
        return h("span", "not compared", class_="faint")
    return format_share(leak.rows, leak.of) if leak.rows else h("span", "0", class_="faint")


def _why_not_measured(metrics: RunMetrics) -> str:
    if sum(rows > 0 for rows in metrics.rows.splits.values()) < 2:
        return "Leakage was not measured: the set has one split only."
    if not metrics.profiles:
        return "Leakage was not measured: the recipe says analysis: off."
    return (
        f"Leakage was not measured: {format_count(metrics.rows.kept, 'row')} "
        f"{conjugate(metrics.rows.kept, 'are')} too many to compare them all. Rows that are equal "
        "but for case and punctuation are always in one split; near ones are removed by "
        "dedupe.near."
    )


def drift_part(metrics: RunMetrics) -> Child:
    """Return distances from the last version and the reference, and what became popular."""
    if not metrics.drift:
        return [note_absence(_ALONE), _show_popularity(metrics)]
    new = "what is new in this run" if metrics.run.incremental else "what this run kept"
    tables = []
    for against in dict.fromkeys(one.against for one in metrics.drift):
        rows = []
        for one in (one for one in metrics.drift if one.against == against):
            words = {"pass": "steady", "warn": "shifted", "fail": "far off"}[one.level]
            interval = None
            if one.low is not None and one.high is not None:
                interval = h("div", f"{one.low:.3g} to {one.high:.3g}", class_="small soft")
            rows.append(
                [
                    label_status(one.level, words),
                    one.name,
                    [f"{one.value:.3g} {one.unit}".strip(), interval],
                    "" if one.before is None else format_figure(one.before),
                    "" if one.after is None else format_figure(one.after),
                    "" if one.chance is None else f"{one.chance:.3g}",
                    one.limits,
                ]
            )
        tables.append(draw_table(_DRIFT, rows, f"Against {against}: {new}"))
    note = (
        "A measure warns where it is above its limit and more than chance: than the largest of 200 "
        "random regroupings of a sample of up to 1,000 rows of both, by a tenth. Under a value "
        "stands its 95 % interval."
    )
    keys = dict.fromkeys(one.key for one in metrics.drift if one.key in DEFINITIONS)
    terms = [(h("dt", key), h("dd", DEFINITIONS[key])) for key in keys]
    defined = h(
        "details",
        h("summary", "What each measure is, its bins, direction and source"),
        h("dl", terms, class_="facts"),
    )
    return [*tables, h("p", note, class_="small soft"), defined, _show_popularity(metrics)]


_ALONE = (
    "Nothing to compare with: this is the first version and no reference is named, or there are "
    "fewer than 100 rows on a side."
)
_DRIFT = [
    TableColumn("", "nowrap"),
    TableColumn("Measure", "text"),
    TableColumn("Value", "num"),
    TableColumn("Before", "num"),
    TableColumn("Now", "num"),
    TableColumn("By chance", "num"),
    TableColumn("Limits", "name"),
]


def _show_popularity(metrics: RunMetrics) -> Child:
    before, after = metrics.profiles.get("input"), metrics.profiles.get("kept")
    if before is None or after is None or not after.vocabulary.tokens:
        return None
    rows, gained = _word_lifts(before, after)
    used = after.vocabulary
    said = (
        f"{'' if used.exact else 'About '}{format_count(used.distinct, 'distinct word')} among "
        f"{used.tokens:,} in {describe_sample(used.rows, after.of, 'kept texts')}."
    )
    even = [before.vocabulary.gini_even, after.vocabulary.gini_even]
    if even[0] is not None and even[1] is not None:
        said += (
            f" Gini index of the words of equally many texts, thinned to equally many words: "
            f"{even[1]:.2f} kept, {even[0]:.2f} of what came in; 0 is even, 1 is one word only."
        )
    head = [
        TableColumn("Words that gained most" if gained else "Most frequent words", "name"),
        TableColumn("Share of kept words", "bar"),
        TableColumn("Kept", "num"),
        TableColumn("Against what came in", "num"),
    ]
    if not rows:
        return None
    said += " Words that only join others (the, and, of) are left out below."
    return [
        h("h3", "Popularity: what the selection favours"),
        h("p", said, class_="small soft"),
        draw_table(head, rows),
    ]


def _word_lifts(before: Profile, after: Profile) -> tuple[list[list[Child]], bool]:
    """Return the words to show, and whether any of them gained on what came in."""
    whole, had = after.vocabulary.tokens, max(1, before.vocabulary.tokens)
    earlier = {use.token: use.count for use in before.vocabulary.top}

    # What is not among the most frequent words occurred at most as often as the last of them.
    least = min(earlier.values(), default=0)

    def gain_of(use: TokenUse) -> tuple[float, int, str]:
        gain = use.count / whole - earlier.get(use.token, least) / had
        return round(max(0.0, gain), 4), use.count, use.token

    rows: list[list[Child]] = []
    telling = [use for use in after.vocabulary.top if use.token not in STOP_WORDS]
    shown = sorted(telling, key=gain_of, reverse=True)[:12]
    most = max((use.count for use in shown), default=1)
    for use in shown:
        was = earlier.get(use.token)
        lift = f"{(use.count / whole) / (was / had):.2f} times" if was else ""
        picture = draw_bar(use.count, most, f"{use.token}: {use.count:,}")
        rows.append([use.token, picture, format_share(use.count, whole), lift])
    return rows, any(gain_of(use)[0] for use in shown)


def samples_part(metrics: RunMetrics) -> Child:
    """Return kept and rejected rows side by side, then the others, with their reasons."""
    if not any(metrics.samples.values()):
        return note_absence("No rows were sampled in this run.")
    order = [*_TITLES, *(name for name in metrics.samples if name not in _TITLES)]
    shown = []
    for name in order:
        samples = [_show_sample(rows) for rows in _join_bare(metrics.samples.get(name, ()))]
        if samples:
            kind = _KINDS.get(name)
            whole = link_rows(metrics, kind) if kind else link_kept_rows(metrics)
            shown.append(h("div", h("h3", _TITLES.get(name, name)), samples, whole))
    return h("div", shown, class_="grid2")


def _join_bare(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Return samples one by one, but those without a text that say the same together."""
    found: dict[object, list[Sample]] = {}
    for at, row in enumerate(samples):
        bare = row.text is None or not row.text.strip()
        found.setdefault((row.why, row.text is None) if bare else at, []).append(row)
    return list(found.values())


def _show_sample(rows: Sequence[Sample]) -> Child:
    first = rows[0]
    text: Child = first.text
    if first.text is None or not first.text.strip():
        text = h("span", "null" if first.text is None else "blank", class_="faint")
    labels = dict.fromkeys(row.label for row in rows if row.label is not None)
    pills = [[h("span", label, class_="pill"), " "] for label in labels]
    where = [
        [", " if at else None, h("code", row.row_id[:12]), " ", row.where]
        for at, row in enumerate(rows)
    ]
    why = _LONG_ID.sub(r"\1", first.why)
    said = h("span", why, " · " if why else None, where, class_="why")
    return h("div", h("blockquote", text, " ", pills), said, class_="sample")
