"""Masked prompts: the likeliest tokens before and after, their moves, and mass on word lists."""

from __future__ import annotations

from typing import Final

from siftset.pipeline.reports.charts import draw_bar
from siftset.pipeline.reports.compare.figures import changes_table, show_pair, wins_table
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import TableColumn, draw_table, list_facts, note_absence
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import (
    MaskChange,
    MlmComparison,
    PromptChange,
    RankMove,
    Token,
)

SHOWN: Final = 10


def show_prompts(found: MlmComparison) -> Child:
    """Return every prompt with the bars of its likeliest tokens."""
    if not found.prompts:
        return note_absence("No prompt was asked; add some under compare.prompts.")
    return [
        h("div", h("h3", one.prompt, class_="prompt"), [_mask_block(m, one) for m in one.masks])
        for one in found.prompts
    ]


def _mask_block(mask: MaskChange, prompt: PromptChange) -> Markup:
    title = f"Mask {mask.mask + 1} of {len(prompt.masks)}" if len(prompt.masks) > 1 else ""
    moved = {move.token: move for move in mask.moves}
    most = max((token.probability for token in (*mask.before, *mask.after)), default=1.0)
    sides = [
        _token_table("Before", mask.before, most, {}, fill="f6"),
        _token_table("After", mask.after, most, moved, fill="f0"),
    ]
    gone = [move.token for move in mask.moves if move.move == "out"]
    pairs: dict[str, Child] = {
        f"Mass on {mass.name} words": show_pair(mass.before, mass.after, share=True)
        for mass in mask.mass
    }
    if mask.target is not None:
        against = f" against {mask.target.against}" if mask.target.against else ""
        ranks = show_pair(mask.target.before_rank, mask.target.after_rank)
        pairs[f"Rank of {mask.target.word}{against}"] = ranks
    pairs["Entropy, nats"] = show_pair(mask.entropy_before, mask.entropy_after)
    if mask.js is not None:
        pairs["Distance of the two answers"] = f"{mask.js:.3f} nats (Jensen-Shannon, at most 0.693)"
    return h(
        "div",
        h("p", title, class_="small soft") if title else None,
        h("div", sides, class_="grid2"),
        h("p", "Gone from the top: ", ", ".join(gone), class_="small soft") if gone else None,
        h("details", h("summary", "Mass, rank and entropy"), list_facts(pairs)),
    )


def _token_table(
    title: str, tokens: tuple[Token, ...], most: float, moved: dict[str, RankMove], *, fill: str
) -> Markup:
    rows = [
        [
            [h("span", token.token, title=token.sentence), " ", _show_move(moved.get(token.token))],
            draw_bar(token.probability, most, f"{token.token}: {token.probability:.2%}", fill=fill),
            f"{token.probability:.1%}" if token.probability >= 0.001 else "< 0.1%",
        ]
        for token in tokens[:SHOWN]
    ]
    return draw_table(
        [TableColumn(title, "name"), TableColumn("", "wide"), TableColumn("", "num")], rows
    )


def _show_move(move: RankMove | None) -> Child:
    """Say where a token stood before, unless it stands there still: `↑ was 3rd`, `new here`."""
    if move is None or move.move == "same":
        return None
    risen = move.after_rank < move.before_rank
    said = f"{'↑' if risen else '↓'} was {_write_rank(move.before_rank)}"
    said = "new here" if move.move == "in" else said
    told = f"{move.before:.2%} and {_write_rank(move.before_rank)} before"
    return h("span", said, class_=f"{'up' if risen else 'down'} small nowrap", title=told)


def _write_rank(rank: int) -> str:
    """Return a rank as an ordinal: 1st, 2nd, 13th."""
    teen = rank % 100 in (11, 12, 13)
    return f"{rank:,}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(rank % 10, 'th')}"


def show_mass(found: MlmComparison) -> Child:
    """Return the mean mass on each list of words, and which words were counted."""
    if not found.mass:
        return note_absence("No word list is named: set compare.positive and compare.negative.")
    lists = [
        h(
            "details",
            h(
                "summary",
                f"{one.name}: {format_count(len(one.words), 'word')} counted, {len(one.skipped)} "
                "not",
            ),
            h("p", ", ".join(one.words), class_="small"),
            h("p", "More than one token: ", ", ".join(one.skipped), class_="small soft")
            if one.skipped
            else None,
        )
        for one in found.lists
    ]
    return [changes_table(found.mass, share=True), wins_table(found.wins), lists]
