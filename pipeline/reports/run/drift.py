"""Parts 10 to 12: leakage, drift, samples."""

from __future__ import annotations

from siftset.pipeline.reports.charts import draw_bar
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_share,
    label_status,
    note_absence,
)
from siftset.pipeline.reports.run.checks import example_row
from siftset.schemas.results.metrics import Drift, Profile, RunMetrics, Sample, TokenUse

_TITLES = {
    "kept": "Kept",
    "rejected": "Rejected",
    "mislabelled": "Kept, but with another label",
    "quarantined": "Quarantined",
    "duplicate": "Duplicate",
    "unreadable": "Unreadable",
}


def leakage_part(metrics: RunMetrics) -> Child:
    """Return the rows that two splits share, and those of a held-out file that the set has."""
    if not metrics.leakage:
        return note_absence(_why_not_measured(metrics))
    head = [
        TableColumn("Rows of", "name"),
        TableColumn("Compared by", "name"),
        TableColumn("Found again", "num"),
        TableColumn("", "nowrap"),
    ]
    columns = [TableColumn("Row", "name"), TableColumn("Text", "text"), TableColumn("", "name")]
    rows, shown = [], []
    for leak in metrics.leakage:
        kind = "in any of these ways" if leak.kind == "any" else leak.kind
        status = label_status("warn", "leaks") if leak.rows else label_status("pass", "clean")
        noted = h("div", leak.note, class_="small soft") if leak.note else None
        found = format_share(leak.rows, leak.of)
        rows.append([f"{leak.left} in {leak.right}", [kind, noted], found, status])
        if leak.examples:
            columns = [
                TableColumn("Row", "name"),
                TableColumn("Text", "text"),
                TableColumn("", "name"),
            ]
            examples = draw_table(columns, [example_row(one) for one in leak.examples])
            title = h("summary", f"{leak.left} in {leak.right}, {leak.kind}: examples")
            shown.append(h("details", title, examples))
    said = []
    if metrics.run.incremental:
        said.append("Between the rows that this run added; earlier versions were not compared.")
    pairs = dict.fromkeys((leak.left, leak.right) for leak in metrics.leakage)
    near = {(leak.left, leak.right) for leak in metrics.leakage if leak.kind == "near"}
    if not_near := [f"{left} in {right}" for left, right in pairs if (left, right) not in near]:
        said.append(
            f"Near copies were not looked for ({', '.join(not_near)}): there are more than 200,000 "
            "rows. dedupe.near, such as 0.8, removes near duplicates before the split."
        )
    return [draw_table(head, rows), shown, [note_absence(one) for one in said]]


def _why_not_measured(metrics: RunMetrics) -> str:
    if sum(rows > 0 for rows in metrics.rows.splits.values()) < 2:
        return "Leakage was not measured: the set has one split only."
    if not metrics.profiles:
        return "Leakage was not measured: the recipe says analysis: off."
    return (
        f"Leakage was not measured: {metrics.rows.kept:,} rows are too many to compare them all. "
        "Rows that are equal but for case and punctuation are always in one split; near ones are "
        "removed by dedupe.near."
    )


def drift_part(metrics: RunMetrics) -> Child:
    """Return distances from the last version and the reference, and what became popular."""
    body: list[Child] = []
    if metrics.drift:
        for against in dict.fromkeys(one.against for one in metrics.drift):
            rows = [_drift_row(one) for one in metrics.drift if one.against == against]
            body.append(draw_table(_DRIFT, rows, f"Against {against}"))
    else:
        body.append(note_absence(_ALONE))
    return [*body, _show_popularity(metrics)]


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
    TableColumn("Limits", "name"),
]


def _drift_row(one: Drift) -> list[Child]:
    words = {"pass": "steady", "warn": "shifted", "fail": "far off"}[one.level]
    value = f"{one.value:.3g} {one.unit}".strip()
    ends = ["" if v is None else f"{v:,.4g}" for v in (one.before, one.after)]
    return [label_status(one.level, words), one.name, value, *ends, one.limits]


def _show_popularity(metrics: RunMetrics) -> Child:
    before, after = metrics.profiles.get("input"), metrics.profiles.get("kept")
    if before is None or after is None or not after.vocabulary.tokens:
        return None
    rows, gained = _word_lifts(before, after)
    used = after.vocabulary
    said = (
        f"{'' if used.exact else 'About '}{used.distinct:,} distinct words among "
        f"{used.tokens:,} in {used.rows:,} of {after.of:,} kept texts; Gini index "
        f"of their counts {_format_gini(after)} (what came in: {_format_gini(before)}; 0 is even, "
        "1 is one word only)."
    )
    head = [
        TableColumn("Words that gained most" if gained else "Most frequent words", "name"),
        TableColumn("Share of kept words", "bar"),
        TableColumn("Kept", "num"),
        TableColumn("Against what came in", "num"),
    ]
    return [
        h("h3", "Popularity: what the selection favours"),
        h("p", said, class_="small soft"),
        draw_table(head, rows),
    ]


def _format_gini(profile: Profile) -> str:
    gini = profile.vocabulary.gini
    return "not measured" if gini is None else f"{gini:.2f}"


def _word_lifts(before: Profile, after: Profile) -> tuple[list[list[Child]], bool]:
    """Return the words to show, and whether any of them gained on what came in."""
    whole, had = after.vocabulary.tokens, max(1, before.vocabulary.tokens)
    earlier = {use.token: use.count for use in before.vocabulary.top}

    # What is not among the most frequent words occurred at most as often as the last of them.
    least = min(earlier.values(), default=0)

    def moved(use: TokenUse) -> tuple[float, int]:
        gain = use.count / whole - earlier.get(use.token, least) / had
        return round(max(0.0, gain), 4), use.count

    most = max((use.count for use in after.vocabulary.top), default=1)
    rows: list[list[Child]] = []
    shown = sorted(after.vocabulary.top, key=moved, reverse=True)[:12]
    for use in shown:
        was = earlier.get(use.token)
        lift = f"{(use.count / whole) / (was / had):.2f} times" if was else ""
        picture = draw_bar(use.count, most, f"{use.token}: {use.count:,}")
        rows.append([use.token, picture, format_share(use.count, whole), lift])
    return rows, any(moved(use)[0] for use in shown)


def samples_part(metrics: RunMetrics) -> Child:
    """Return kept and rejected rows side by side, then the others, with their reasons."""
    if not any(metrics.samples.values()):
        return note_absence("No rows were sampled in this run.")
    order = [*_TITLES, *(name for name in metrics.samples if name not in _TITLES)]
    shown = [
        h("div", h("h3", _TITLES.get(n, n)), [_show_sample(row) for row in metrics.samples[n]])
        for n in order
        if metrics.samples.get(n)
    ]
    return h("div", shown, class_="grid2")


def _show_sample(row: Sample) -> Markup:
    text: Child = row.text
    if row.text is None or not row.text.strip():
        text = h("span", "null" if row.text is None else "blank", class_="faint")
    label = h("span", row.label, class_="pill") if row.label is not None else None
    where = [h("code", row.row_id[:12]), " ", row.where]
    why = h("span", row.why, " · " if row.why else None, where, class_="why")
    return h("div", h("blockquote", text, " ", label), why, class_="sample")
