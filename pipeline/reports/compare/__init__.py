"""The page that compares a model before and after, asked the same frozen questions."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from siftset.pipeline.reports.compare import causal, classes, masks, trials
from siftset.pipeline.reports.compare.figures import (
    MOST_SHOWN,
    VERDICTS,
    changes_table,
    short_name,
    wins_table,
)
from siftset.pipeline.reports.compare.headline import (
    show_baselines,
    show_headlines,
    title_comparison,
)
from siftset.pipeline.reports.compare.metric_names import pick_headlines
from siftset.pipeline.reports.compare.training import show_curves, show_findings
from siftset.pipeline.reports.markup import Child, Markup, h, link_file
from siftset.pipeline.reports.page import (
    Header,
    PagePart,
    Status,
    call_out,
    label_status,
    list_facts,
    note_absence,
    render_page,
)
from siftset.pipeline.reports.proof import proof_part
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import (
    MIN_UNITS,
    Comparison,
    Forgetting,
)
from siftset.schemas.results.proof import Proof
from siftset.schemas.tasks import TASKS

__all__ = ["compare_report"]


_DEFINITIONS: Final[dict[str, str]] = {
    "mlm": "Perplexity is e to the mean loss of the masked tokens of each row, masked alike for "
    "both; the validation curve below is of other masks: near these figures, and not equal.",
    "causal": "Perplexity is e to the mean loss of the tokens of each answer, or of each text "
    "from its second token on, its end counted, cut as in training; so is the validation curve.",
}


def compare_report(
    comparison: Comparison, proof: Proof | None = None, *, predictions: str = ""
) -> str:
    """Return the page of a comparison, with the proof of the set where there is one.

    `predictions` is the file beside the page that holds every answer to every held-out row.
    """
    parts = [PagePart("summary", "What changed", _show_summary(comparison, predictions))]
    parts += _answer_parts(comparison)
    curves = show_curves(comparison.curves, comparison.task)
    parts.append(PagePart("training", "Training", [show_findings(comparison.findings), curves]))
    parts += trials.trial_parts(comparison.trials)
    if comparison.golden is not None:
        body = [changes_table(comparison.golden.changes), wins_table(comparison.golden.wins)]
        lede = (
            f"{comparison.golden.source}, {format_count(comparison.golden.n, 'row')}, never "
            "trained on."
        )
        parts.append(PagePart("golden", "Golden set", body, lede=lede))
    if comparison.forgetting is not None:
        parts.append(_forgetting_part(comparison.forgetting))
    if proof is not None:
        parts.append(proof_part(proof))
    parts.append(PagePart("provenance", "Provenance", _show_provenance(comparison)))
    return render_page(_page_header(comparison), parts)


def _answer_parts(found: Comparison) -> list[PagePart]:
    if found.mlm is not None:
        lede = f"The {masks.SHOWN} likeliest tokens for each mask, before and after."
        parts = [
            PagePart("prompts", "Prompts", masks.show_prompts(found.mlm), lede=lede),
            PagePart("mass", "Mass on word lists", masks.show_mass(found.mlm)),
        ]
        right = [one for one in found.mlm.slices if one.change.name == "accuracy_at_1"]
        if right:
            lede = "The share of masked tokens of held-out rows that the model guessed first."
            shown = classes.show_slices(right)
            parts.append(PagePart("slices", "Accuracy on parts of the rows", shown, lede=lede))
        return parts
    if found.classification is not None:
        one = found.classification
        return [
            PagePart(
                "scores", "Scores", [classes.show_scores(one), classes.show_slices(one.slices)]
            ),
            PagePart("confusion", "Confusion matrices", classes.show_confusion(one)),
            PagePart("show_curves", "Curves", classes.show_curves(one)),
            PagePart("rows", "Rows that changed", classes.show_rows(one)),
        ]
    if found.causal is not None:
        return [PagePart("answers", "Answers side by side", causal.show_answers(found.causal))]
    return []


def _page_header(found: Comparison) -> Header:
    main = next(iter(pick_headlines(found.task, found.changes)), None)
    said: list[Child] = []
    if found.before.head == "untrained":
        said.append(label_status("warn", "no fair before"))
    elif main is not None and main.verdict != "not judged":
        said.append(label_status(VERDICTS[main.verdict], main.verdict))
    if found.forgetting is not None and found.forgetting.verdict == "fail":
        said.append(label_status("fail", "forgets general text"))
    said.append(h("span", f"{short_name(found.before.name)} → {short_name(found.after.name)}"))
    if found.before_kind not in ("none", short_name(found.before.name)):
        said.append(h("span", f"before: {found.before_kind}"))
    made = [found.provenance.get(key) for key in ("recipe", "set_version")]
    of = f" · {made[0]}" if made[0] else ""
    of += f" · version {made[1]}" if made[0] and made[1] is not None else ""
    crumb = f"siftset · before and after fine-tuning · {TASKS[found.task].title}{of}"
    sides = {"before": found.before, "after": found.after}
    names = [f"{side} ({one.name})" for side, one in sides.items() if one.head == "untrained"]
    warning: Child = None
    if names:
        warning = [
            h("b", f"The head of the model {' and of the model '.join(names)} was never trained."),
            " Its answers are those of random numbers: read no progress into a difference from "
            "them, and compare with a baseline or with a model whose head is trained.",
        ]
    return Header(title_comparison(main), crumb, said, warning)


def _show_summary(found: Comparison, predictions: str) -> Child:
    said = [call_out("warn", f"{one[:1].upper()}{one[1:]}") for one in found.warnings]
    notes = [h("p", note, class_="small soft") for note in found.notes]
    if not found.changes:
        return [said, note_absence("No metric was compared: there is no held-out row."), notes]
    main = pick_headlines(found.task, found.changes)
    asked = found.questions
    cut = f" ({asked.cut:,} more were left out)" if asked.cut else ""
    drawn = "rows one by one"
    if asked.unit != "row" and asked.units is not None:
        drawn = (
            f"{format_count(asked.units, 'group')} of rows (of equal text, or of one group) as a "
            "whole"
        )
    legend = (
        f"Both were asked the same {format_count(asked.rows, 'held-out row')}{cut}; brackets "
        f"are bootstrap intervals, which draw {drawn}; that of the difference is paired by row. A "
        f"change is better or worse only when its interval leaves out 0; under {MIN_UNITS} "
        "independent rows (or prompts) there is no interval and no verdict. "
        f"{_DEFINITIONS.get(found.task, '')}"
    )
    rest = [one for one in found.changes if one not in main]
    folded: Child = None
    if len(rest) > MOST_SHOWN:
        title = h("summary", f"{len(rest):,} other metrics")
        folded, rest = h("details", title, changes_table(rest)), []
    return [
        said,
        show_headlines(main),
        show_baselines(found, main[0]),
        changes_table([*main, *rest]),
        folded,
        h("p", legend, class_="small soft"),
        notes,
        _link_answers(predictions),
    ]


def _link_answers(predictions: str) -> Child:
    if not predictions:
        return None
    said = "What each model said of every held-out row, as Parquet: "
    return h("p", said, link_file(predictions, predictions), class_="small soft")


def _forgetting_part(found: Forgetting) -> PagePart:
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


def _show_provenance(found: Comparison) -> Markup:
    pairs: dict[str, Child] = {}
    for side, one in (("before", found.before), ("after", found.after)):
        size = "" if one.parameters is None else f", {one.parameters:,} parameters"
        revision = f" at {one.revision}" if one.revision else ""
        pairs[f"Model {side}"] = f"{one.name}{revision}{size}, head {one.head}"
    asked = found.questions
    pairs["Questions"] = [
        f"{format_count(asked.rows, 'row')}, {format_count(asked.prompts, 'prompt')}, "
        f"{asked.golden:,} golden, {asked.general:,} general, seed {asked.seed}, ",
        h("code", asked.hash[:32]),
    ]
    pairs |= {
        name.replace("_", " "): _show_value(value) for name, value in found.provenance.items()
    }
    return list_facts(pairs)


def _show_value(value: JsonValue) -> str:
    if isinstance(value, dict):
        inner = {
            name: f"({_show_value(one)})" if isinstance(one, dict) else _show_value(one)
            for name, one in value.items()
        }
        return ", ".join(f"{name.replace('_', ' ')} {one}" for name, one in inner.items())
    if isinstance(value, list):
        return ", ".join(map(_show_value, value))
    return f"{value:,}" if type(value) is int and abs(value) >= 1_000 else str(value)
