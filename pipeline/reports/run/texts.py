"""Parts 6 to 9: lengths, encoding, languages and scripts, labels."""

from __future__ import annotations

from collections.abc import Mapping

from siftset.pipeline.profile.lengths import EXACT
from siftset.pipeline.profile.shares import describe_sample, format_percent
from siftset.pipeline.reports.charts import draw_bar, draw_heat_table, draw_histogram, format_short
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_share,
    note_absence,
)
from siftset.pipeline.reports.run.checks import describe_population
from siftset.schemas.plurals import format_count
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.profile_metrics import Histogram, Profile

ENCODING = {
    "replacement": "U+FFFD, the sign of a wrong decoding",
    "mojibake": "mojibake: UTF-8 decoded as Latin-1 or Windows-1252",
    "control": "control characters",
    "not_nfc": "not in Unicode form NFC",
    "zero_width": "zero-width or direction characters",
    "html": "HTML tags or entities",
    "url": "a URL",
    "email": "an e-mail address",
    "phone": "a telephone number",
}


def lengths_part(metrics: RunMetrics) -> Child:
    """Return lengths of the texts in characters, words and tokens."""
    kept = metrics.profiles.get("kept") or metrics.profiles.get("input")
    if kept is None:
        return note_absence("Texts were not profiled in this run.")
    name = "kept" if "kept" in metrics.profiles else "input"
    pictures = [_draw_lengths(kept.chars, "Characters"), _draw_lengths(kept.words, "Words")]
    if kept.tokens is not None:
        pictures.append(_draw_lengths(kept.tokens, "Tokens of the model", limit=metrics.max_length))
    note = "Tokens were not counted: no model is named, or its tokenizer was not at hand."
    over = None
    if kept.over_max is not None and metrics.max_length:
        counted = kept.tokens.rows if kept.tokens else 0
        over = h(
            "p",
            f"Longer than {format_count(metrics.max_length, 'token')}, in red, and cut in "
            "training: ",
            format_share(kept.over_max, counted, kept.of),
            f". Tokens were counted on {describe_sample(counted, kept.of, 'texts')}.",
        )
    return [
        h("p", describe_population(name, kept), class_="small soft"),
        h("div", pictures, class_="grid3"),
        over if kept.tokens is not None else note_absence(note),
        _quantile_table(metrics),
    ]


def _draw_lengths(lengths: Histogram, title: str, *, limit: int | None = None) -> Markup:
    bins = list(zip(lengths.edges, lengths.edges[1:], lengths.counts, strict=False))
    filled = [i for i, (_, _, rows) in enumerate(bins) if rows]
    bins = bins[filled[0] : filled[-1] + 1] if filled else []
    over = [i for i, (low, _, _) in enumerate(bins) if limit is not None and low > limit]
    columns = [
        (
            format_short(low)
            if high - low <= 1
            else f"{format_short(low)}-{format_short(high - 1)}",
            n,
        )
        for low, high, n in bins
    ]
    return draw_histogram(columns, title, mark=over[0] if over else None)


def _quantile_table(metrics: RunMetrics) -> Markup:
    head = [TableColumn("", "name"), TableColumn("Min", "num")]
    names = ("p1", "p5", "p50", "p95", "p99")
    head += [
        *(TableColumn(n, "num") for n in names),
        TableColumn("Max", "num"),
        TableColumn("Mean", "num"),
    ]
    rows: list[list[Child]] = []
    for which, profile in metrics.profiles.items():
        for unit, one in (
            ("characters", profile.chars),
            ("words", profile.words),
            ("tokens", profile.tokens),
        ):
            if one is not None and one.rows:
                told = ["" if v is None else format_short(v) for v in (one.min, one.max, one.mean)]
                some = [one.quantiles.get(n) for n in names]
                shown = [
                    "" if v is None else f"{'≈ ' * (v >= EXACT)}{format_short(v)}" for v in some
                ]
                rows.append([f"{unit}, {which}", told[0], *shown, *told[1:]])
    note = (
        "A quantile is the least length that such a share of the texts does not exceed; those "
        "marked with ≈, from 16,384 on, are within 1.1 %. The others are exact, of the texts named "
        "above."
    )
    table = draw_table(head, rows)
    title = h("summary", "Quantiles")
    return h("details", title, table, h("p", note, class_="small soft"))


def contents_part(metrics: RunMetrics) -> Child:
    """Return how many texts hold what a text should seldom hold."""
    if not metrics.profiles:
        return note_absence("Texts were not profiled in this run.")
    met = [key for key in ENCODING if any(p.encoding.get(key) for p in metrics.profiles.values())]
    rows = [
        [
            ENCODING[key],
            *(
                format_share(number, one.texts, _texts_of(one))
                if (number := one.encoding.get(key, 0))
                else h("span", "0", class_="faint")
                for one in metrics.profiles.values()
            ),
        ]
        for key in met
    ]
    clean = "; ".join(words for key, words in ENCODING.items() if key not in met)
    who = {"input": "Came in", "kept": "Kept"}
    head = [
        TableColumn("Texts that hold", "text"),
        *(TableColumn(who[name], "num") for name in metrics.profiles),
    ]
    said = [h("li", describe_population(name, one)) for name, one in metrics.profiles.items()]
    return [
        draw_table(head, rows) if rows else None,
        h("p", f"Found in no text: {clean}.", class_="soft") if clean else None,
        h("ul", said, class_="legend"),
    ]


def _texts_of(profile: Profile) -> int:
    """Return about how many texts the population has that a profile was drawn from."""
    return round(profile.texts * profile.of / max(1, profile.rows))


def languages_part(metrics: RunMetrics) -> Child:
    """Return scripts and languages of the texts."""
    if not metrics.profiles:
        return note_absence("Texts were not profiled in this run.")
    shown = []
    for name, one in metrics.profiles.items():
        of, spoken = _texts_of(one), one.language_rows
        said = [
            h("p", describe_population(name, one), class_="small soft"),
            _rank_table(one.scripts, one.texts, of, "Script"),
        ]
        if spoken:
            caption = f"Languages, told on {describe_sample(spoken, of, 'texts')}"
            said.append(h("p", caption, class_="small soft"))
            said.append(_rank_table(one.languages, spoken, of, "Language"))
        shown.append(h("div", said))
    extra = 'Languages need the extra: pip install "siftset[language]".'
    told = any(one.language_rows for one in metrics.profiles.values())
    return [h("div", shown, class_="grid2"), None if told else note_absence(extra)]


def _rank_table(counts: Mapping[str, int], whole: int, of: int, title: str) -> Markup:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
    rows = [
        [name, draw_bar(number, whole, f"{name}: {number:,}"), format_share(number, whole, of)]
        for name, number in ranked
    ]
    return draw_table(
        [TableColumn(title, "name"), TableColumn("", "bar"), TableColumn("Texts", "num")], rows
    )


def labels_part(metrics: RunMetrics) -> Child:
    """Return labels by source."""
    shown = [_label_table(name, one) for name, one in metrics.profiles.items() if one.labels]
    if not shown:
        return note_absence(
            "The rows carry no label; name its column in the source to see the balance."
        )
    return h("div", shown, class_="grid2")


def _label_table(name: str, profile: Profile) -> Markup:
    totals: dict[str, int] = {}
    for by_label in profile.labels.values():
        for label, number in by_label.items():
            totals[label] = totals.get(label, 0) + number
    ranked = sorted(totals, key=lambda label: (-totals[label], label))[:8]
    rows = {
        source: [by_label.get(label, 0) for label in ranked]
        for source, by_label in list(profile.labels.items())[:12]
    }
    whole = sum(totals.values())
    said = ", ".join(f"{label} {format_percent(totals[label], whole)}" for label in ranked)
    return h(
        "div",
        draw_heat_table(rows, ranked, describe_population(name, profile)),
        h("p", said, h("span", f" of {format_count(whole, 'row')}", class_="of")),
    )
