"""The page of a proof: the sentence first, then the curve, the table, and how sure it is."""

from __future__ import annotations

import math
from typing import Final

from siftset.pipeline.reports.charts import Axis, Series, draw_lines
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    Header,
    PagePart,
    Status,
    TableColumn,
    call_out,
    draw_table,
    label_status,
    list_facts,
    note_absence,
    render_page,
)
from siftset.schemas.plurals import format_count
from siftset.schemas.results.proof import Proof, ProofLine

STATUS: Final[dict[str, Status]] = {
    "yes": "pass",
    "no difference": "none",
    "cannot say": "warn",
    "not shown": "warn",
    "hurt": "fail",
}
UNITS: Final[dict[str, str]] = {"points": "points", "percent": "% of the loss"}


def render_proof(proof: Proof) -> str:
    """Return the page."""
    parts = [
        PagePart("verdict", "Verdict", show_verdict(proof)),
        PagePart("curve", "Score by number of rows", _draw_curve(proof)),
        PagePart("table", "Every comparison", _tabulate_lines(proof)),
        PagePart("sure", "How sure", _list_certainty(proof)),
    ]
    crumb = f"siftset · proof · {proof.recipe} · version {proof.set_version}"
    said: list[Child] = [label_status(STATUS[proof.verdict], proof.verdict), h("span", proof.model)]
    return render_page(Header("Did the curation help?", crumb, said), parts)


def proof_part(proof: Proof) -> PagePart:
    """Return the verdict as a part of another page."""
    parts = [show_verdict(proof), _draw_curve(proof)]
    return PagePart("proof", "Did the curation help?", parts, STATUS[proof.verdict])


def show_verdict(proof: Proof) -> Child:
    """Return the sentence and what stands below it."""
    status = STATUS[proof.verdict]
    below = [h("p", one) for one in proof.more]
    notes = [h("p", one[:1].upper() + one[1:] + ".", class_="small soft") for one in proof.notes]
    return [call_out(status, proof.sentence), below, notes]


def _draw_curve(proof: Proof) -> Child:
    if not proof.curve:
        return note_absence("The curve was not measured.")
    sign = 1 if proof.unit == "points" else -1
    curated = [(math.log2(p.rows), sign * p.curated) for p in proof.curve if p.curated is not None]
    random = [(math.log2(p.rows), sign * p.random) for p in proof.curve if p.random is not None]
    sizes = [point.rows for point in proof.curve]
    x = Axis(
        math.log2(sizes[0]), math.log2(sizes[-1]),
        (f"{sizes[0]:,}", "training rows, by doublings", f"{sizes[-1]:,}"),
    )  # fmt: skip
    scores = [score for _, score in (*curated, *random)]
    ends = [_format_score(score, proof) for score in (min(scores), max(scores))]
    name = "accuracy" if proof.unit == "points" else "loss"
    y = Axis(min(scores), max(scores), (ends[0], ends[1]))
    picture = draw_lines(
        [Series("curated rows", curated), Series("rows of everything read", random, 3)],
        f"Mean {name} on held-out rows of everything read",
        x=x,
        y=y,
    )
    columns = [TableColumn("Training rows", "num"), TableColumn("Curated", "num"),
               TableColumn("Of everything read", "num"), TableColumn("", "text")]  # fmt: skip
    rows = [
        [
            f"{point.rows:,}",
            "" if point.curated is None else _format_score(sign * point.curated, proof),
            "" if point.random is None else _format_score(sign * point.random, proof),
            "larger budget" if point.rows > proof.curated else "",
        ]
        for point in proof.curve
    ]
    return [picture, draw_table(columns, rows)]


def _format_score(score: float, proof: Proof) -> str:
    return f"{100 * score:.1f}%" if proof.unit == "points" else f"{score:.3f}"


def _tabulate_lines(proof: Proof) -> Child:
    if not proof.lines:
        return note_absence("Nothing was compared.")
    columns = [
        TableColumn("Questions", "name"),
        TableColumn("Against", "name"),
        TableColumn(f"Difference, {UNITS[proof.unit]}", "num"),
        TableColumn("Method", "nowrap"),
        TableColumn("Rows", "num"),
        TableColumn("Strength", "nowrap"),
        TableColumn("Curated", "num"),
        TableColumn("Others", "num"),
    ]
    order = {one.name: at for at, one in enumerate(proof.question_sets)}
    lines = sorted(proof.lines, key=lambda one: order.get(one.questions, 9))
    lede = (
        "Differences are of the scores of models trained on as many curated rows as others, in "
        "brackets their 95 % intervals. The first line decides; those of the same questions must "
        "agree in sign. “Its own kind” asks curated held-out rows alone, which favours the rows "
        "that are like them. The strength is the regression's C, the inverse of its penalty, or "
        "the learning rate."
    )
    return [h("p", lede, class_="soft"), draw_table(columns, [_show_line(o, proof) for o in lines])]


def _show_line(line: ProofLine, proof: Proof) -> list[Child]:
    sign = 1 if proof.unit == "points" else -1
    return [
        line.questions,
        line.opponent,
        _show_difference(line),
        f"{line.pairs} {line.method}",
        f"{line.rows:,}",
        line.strength,
        _format_score(sign * line.curated, proof),
        _format_score(sign * line.other, proof),
    ]


def _show_difference(line: ProofLine) -> Markup:
    found = line.difference
    interval = found.interval
    if found.value is None or interval is None:
        return h("span", "")
    said = f"{100 * found.value:+.1f} [{100 * interval.low:+.1f} to {100 * interval.high:+.1f}]"
    sure = interval.low > 0 or interval.high < 0
    return h("b", said) if sure else h("span", said)


def _list_certainty(proof: Proof) -> Child:
    interval = None if proof.difference is None else proof.difference.interval
    visible = None if interval is None else 50 * (interval.high - interval.low)
    unit = UNITS[proof.unit]
    asked = ", ".join(
        f"{one.name}: {one.rows:,} in {format_count(one.groups, 'duplicate group')}"
        for one in proof.question_sets
    )
    drawn = (
        f"{proof.pool:,} to train on, drawn of {format_count(proof.read, 'usable row')} that "
        "were read"
    )
    facts: dict[str, Child] = {
        "Smallest effect visible": "" if visible is None else f"about {visible:.1f} {unit}",
        "Blocks": f"{proof.blocks} disjoint pairs of {format_count(proof.block_rows, 'row')} each",
        "Questions": asked,
        "Unit of the intervals": "the duplicate group: near duplicates, equal texts, split.group",
        "Curated rows": f"{proof.curated:,} to train on",
        "Everything read": drawn,
        "Trained": proof.model,
        "Models trained": f"{proof.trained:,} in {proof.seconds:,.0f} s" if proof.trained else "",
        "Set": f"version {proof.set_version}, run {proof.run_id}",
        "Key": h("code", proof.key[:16]),
    }
    explained = (
        "Blocks share no row, so their spread shows how much the draw of the rows matters; what "
        "other questions would change is added, by duplicate group. Rows of everything are drawn "
        "at random, curated ones among them."
    )
    return [list_facts(facts), h("p", explained, class_="small soft")]
