"""The page that compares a model before and after, asked the same frozen questions."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from siftset.pipeline.reports.compare import causal, classes, masks, trials
from siftset.pipeline.reports.compare.figures import (
    VERDICTS,
    changes_table,
    estimate,
    number,
    short,
    wins_table,
)
from siftset.pipeline.reports.compare.training import curves, findings
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
    show_figures,
)
from siftset.schemas.results.comparison import (
    ArmsTable,
    Change,
    Comparison,
    Forgetting,
    SliceChange,
)
from siftset.schemas.tasks import TASKS

__all__ = ["compare_report"]


def compare_report(comparison: Comparison) -> str:
    """Return the page of a comparison."""
    return render_page(_header(comparison), _parts(comparison))


def _parts(found: Comparison) -> list[PagePart]:
    parts = [PagePart("summary", "What changed", _summary(found))]
    parts += _answers(found)
    parts.append(PagePart("training", "Training", [findings(found.findings), curves(found.curves)]))
    parts += trials.parts(found.trials)
    if found.golden is not None:
        body = [changes_table(found.golden.changes), wins_table(found.golden.wins)]
        lede = f"{found.golden.source}, {found.golden.n:,} rows, never trained on."
        parts.append(PagePart("golden", "Golden set", body, lede=lede))
    if found.forgetting is not None:
        parts.append(_forgetting(found.forgetting))
    if found.arms is not None:
        parts.append(PagePart("arms", "Did the curation help?", _arms(found.arms)))
    parts.append(PagePart("provenance", "Provenance", _provenance(found)))
    return parts


def _answers(found: Comparison) -> list[PagePart]:
    if found.mlm is not None:
        lede = f"The {masks.SHOWN} likeliest tokens for each mask, before and after."
        return [
            PagePart("prompts", "Prompts", masks.prompts(found.mlm), lede=lede),
            PagePart("mass", "Mass on word lists", masks.mass(found.mlm)),
            *_by_slice(found.mlm.slices),
        ]
    if found.classification is not None:
        one = found.classification
        return [
            PagePart("scores", "Scores", [classes.scores(one), classes.slices(one.slices)]),
            PagePart("confusion", "Confusion", classes.confusion(one)),
            PagePart("curves", "Curves", classes.curves(one)),
            PagePart("rows", "Rows that changed", classes.rows(one)),
        ]
    if found.causal is not None:
        return [PagePart("answers", "Answers side by side", causal.answers(found.causal))]
    return []


def _by_slice(slices: Sequence[SliceChange]) -> list[PagePart]:
    """Return the share of right guesses on parts of the rows; no part where there is none."""
    shown = classes.slices([one for one in slices if one.change.name == "accuracy_at_1"])
    lede = "The share of masked tokens of held-out rows that the model guessed first."
    return [PagePart("slices", "Accuracy on parts of the rows", shown, lede=lede)] if shown else []


def _header(found: Comparison) -> Header:
    main = found.changes[0] if found.changes else None
    said: list[Child] = []
    untrained = found.before.head == "untrained"
    if untrained:
        said.append(label_status("warn", "no fair before"))
    elif main is not None and main.verdict != "not judged":
        said.append(
            label_status(VERDICTS[main.verdict], f"{main.name.replace('_', ' ')}: {main.verdict}")
        )
    said.append(h("span", f"{short(found.before.name)} → {short(found.after.name)}"))
    if found.before_kind != "none":
        said.append(h("span", f"before: {found.before_kind}"))
    crumb = f"siftset · comparison · {TASKS[found.task].title}"
    return Header("Before and after fine-tuning", crumb, said, _untrained(found))


def _untrained(found: Comparison) -> Child:
    """Return the warning that the figures before are those of a head of random numbers."""
    sides = {"before": found.before, "after": found.after}
    names = [f"{side} ({one.name})" for side, one in sides.items() if one.head == "untrained"]
    if not names:
        return None
    return [
        h("b", f"The head of the model {' and of the model '.join(names)} was never trained."),
        " Its answers are those of random numbers: read no progress into a difference from them, "
        "and compare with a baseline or with a model whose head is trained.",
    ]


def _summary(found: Comparison) -> Child:
    said = [call_out("warn", f"{one[:1].upper()}{one[1:]}") for one in found.warnings]
    notes = [h("p", note, class_="small soft") for note in found.notes]
    shown = found.changes[:4]
    large = show_figures([_figure(one) for one in shown]) if shown else None
    body: list[Child] = [said, large]
    if found.changes:
        body.append(changes_table(found.changes))
        body.append(h("p", _legend(found), class_="small soft"))
    else:
        body.append(note_absence("No metric was compared: there is no held-out row."))
    return [*body, notes]


def _figure(one: Change) -> tuple[str, str, str]:
    of = f"{number(one.before)} before, {one.n:,} rows"
    return number(one.after), one.name.replace("_", " "), of


def _legend(found: Comparison) -> str:
    rows = f"{found.questions.rows:,} held-out rows"
    cut = f" ({found.questions.cut:,} more were left out)" if found.questions.cut else ""
    return (
        f"Both were asked the same {rows}{cut}; brackets are bootstrap intervals, that of the "
        "difference paired by row. A change is better or worse only when its interval leaves out 0."
    )


def _forgetting(found: Forgetting) -> PagePart:
    texts = {"perplexity, held-out rows": found.in_domain, "perplexity, general": found.general}
    changes = [
        one.model_copy(update={"name": name}) for name, one in texts.items() if one is not None
    ]
    said: Child = None
    if found.increase is not None:
        limit = "" if found.limit is None else f", allowed {found.limit:.0%}"
        moved = "rose" if found.increase > 0 else "fell"
        claim = f"Perplexity on general text {moved} by {abs(found.increase):.1%}{limit}."
        todo = "train for fewer steps, at a lower rate, or with LoRA"
        failed = found.verdict == "fail"
        said = call_out("fail" if failed else "pass", claim, todo if failed else "")
    status: Status = "fail" if found.verdict == "fail" else "none"
    body = [said, changes_table(changes), h("p", found.note, class_="small soft")]
    return PagePart("forgetting", "Forgetting", body, status)


def _arms(found: ArmsTable) -> Child:
    columns = [
        TableColumn("Trained on", "name"),
        TableColumn("Rows", "num"),
        TableColumn(found.main.replace("_", " "), "num"),
        TableColumn("Difference from the first", "num"),
        TableColumn("", "nowrap"),
    ]
    rows = [
        [
            arm.name,
            "" if arm.rows is None else f"{arm.rows:,}",
            estimate(arm.metrics.get(found.main)),
            "" if arm.difference is None else estimate(arm.difference),
            "" if arm.verdict == "not judged" else label_status(VERDICTS[arm.verdict], arm.verdict),
        ]
        for arm in found.arms
    ]
    lede = (
        f"Same budget ({found.budget}), asked the same {found.n:,} rows, which are held-out "
        "rows of the curated set: the question is who learned that text best."
    )
    return [h("p", lede, class_="soft"), draw_table(columns, rows)]


def _provenance(found: Comparison) -> Markup:
    pairs: dict[str, Child] = {}
    for side, one in (("before", found.before), ("after", found.after)):
        size = "" if one.parameters is None else f", {one.parameters:,} parameters"
        revision = f" at {one.revision}" if one.revision else ""
        pairs[f"Model {side}"] = f"{one.name}{revision}{size}, head {one.head}"
    asked = found.questions
    pairs["Questions"] = [
        f"{asked.rows:,} rows, {asked.prompts:,} prompts, {asked.golden:,} golden, "
        f"{asked.general:,} general, seed {asked.seed}, ",
        h("code", asked.hash[:32]),
    ]
    pairs |= {name.replace("_", " "): _value(value) for name, value in found.provenance.items()}
    return list_facts(pairs)


def _value(value: JsonValue) -> Child:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)
