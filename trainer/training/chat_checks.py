"""What is to be said of the conversations of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.summary import Finding
from siftset.trainer.data.chat_counts import ChatCounts
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.loading import Loaded
from siftset.trainer.tasks.base import Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_FEW: Final = 0.01
"""Share of conversations shortened or left out above which it is a warning."""
_EDGES: Final = 0.001
"""Share of answers whose edge lies within a token above which it is said."""
_WAYS: Final = {
    "marks": "by the marks of the chat template",
    "prefixes": "by what each answer adds to the conversation",
    "answers": "a sequence an answer, as later turns change earlier ones",
}


def check_chats(tokens: Mapping[str, SplitTokens], length: int) -> list[Finding]:
    """Return how the answers of each split were found, and what was shortened or left out."""
    return [
        finding
        for split, some in tokens.items()
        if some.chats is not None
        for finding in _check_split(split, some.chats, length)
    ]


def _check_split(split: str, counts: ChatCounts, length: int) -> Iterator[Finding]:
    ways = "; ".join(f"{_WAYS[way]} ({chats:,})" for way, chats in counts.ways.most_common())
    said = (
        f"{format_count(counts.answers, 'answer')} of "
        f"{format_count(counts.chats, 'conversation')} of {split} "
        f"{conjugate(counts.answers, 'are')} learned: {ways}"
    )
    if counts.ways["answers"]:
        said += f"; {counts.tokens / max(counts.plain_tokens, 1):.1f} times the tokens"
    yield Finding("answers of conversations", "note", said, float(counts.answers))
    if counts.preferences:
        said = (
            f"preference pairs: of {split}, what is chosen is learned, and what is rejected is not"
        )
        yield Finding("preference pairs", "note", said, float(counts.preferences))
    every = max(counts.chats + counts.left_out.total(), 1)
    if counts.shortened:
        share = counts.shortened / every
        said = (
            f"{counts.shortened:,} of {format_count(every, 'conversation')} of {split} "
            f"({share:.1%}) lost their first exchanges to fit into "
            f"{format_count(length, 'token')}: raise train.max_length to keep them"
        )
        yield Finding("shortened", "warning" if share > _FEW else "note", said, share)
    if counts.left_out:
        share = counts.left_out.total() / every
        reasons = "; ".join(f"{why} ({rows:,})" for why, rows in counts.left_out.most_common(3))
        said = (
            f"{counts.left_out.total():,} of {format_count(every, 'conversation')} of {split} "
            f"({share:.1%}) are left out: {reasons}"
        )
        yield Finding("left out", "warning" if share > _FEW else "note", said, share)
    if counts.edges > _EDGES * counts.answers:
        said = (
            f"turn marks are no tokens of this tokenizer: {format_count(counts.edges, 'token')} "
            f"of {split} {conjugate(counts.edges, 'lie')} across the edge of an answer: choose a "
            "train.chat_template whose marks it knows"
        )
        yield Finding("turn marks", "warning", said, counts.edges / max(counts.answers, 1))
    if counts.endless:
        said = (
            "chat template: answers end with no token: the model learns to stop after the last one "
            "only"
        )
        yield Finding("no end of answers", "warning", said, float(counts.endless))


def save_with_chats(task: Task, tokens: Mapping[str, SplitTokens], trained: Loaded) -> None:
    """Give a trained model the chat template that it learned, and what ends its answers."""
    chat = getattr(task, "chat", None)
    counts = tokens["train"].chats
    if chat is None or counts is None:
        return
    trained.tokenizer.chat_template = chat.source
    model: PreTrainedModel = trained.model
    settings = model.generation_config
    known = settings.eos_token_id if settings is not None else None
    ends = [trained.tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])]
    ends += list(counts.stops)
    if settings is not None:
        settings.eos_token_id = [int(one) for one in dict.fromkeys(ends) if one is not None]
