"""Generated answers, side by side."""

from __future__ import annotations

from siftset.pipeline.reports.compare.classes import show_slices
from siftset.pipeline.reports.compare.figures import wins_table
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import label_status, note_absence
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.comparison import CausalComparison


def show_answers(found: CausalComparison) -> Child:
    """Return every question with both answers and, where there is one, the reference."""
    if not found.answers:
        return note_absence("No question was asked; add some under compare.prompts.")
    cut = None
    if found.cut_prompts:
        cut = h(
            "p",
            f"{format_count(found.cut_prompts, 'prompt')} {conjugate(found.cut_prompts, 'were')} "
            "cut on the left to leave room to answer.",
        )
    shown = []
    for one in found.answers:
        sides = [_answer_side("Before", one.before), _answer_side("After", one.after)]
        if one.reference is not None:
            sides.append(_answer_side("Reference", one.reference))
        outside = label_status("none", "outside the domain") if one.outside else None
        title = h("h3", h("blockquote", one.prompt, " ", outside), class_="prompt")
        shown.append(h("div", title, h("div", sides, class_="answers")))
    return [wins_table(found.wins), cut, shown, show_slices(found.slices)]


def _answer_side(title: str, text: str) -> Markup:
    said = h("blockquote", text) if text.strip() else h("span", "no answer", class_="faint")
    return h("div", h("span", title, class_="small soft"), said)
