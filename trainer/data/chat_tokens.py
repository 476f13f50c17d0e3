"""Conversations as tokens, with the positions that are learned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from siftset.schemas.errors import TrainingError
from siftset.trainer.data.chat import (
    Chat,
    ChatTemplate,
    Learn,
    LearnedText,
    Span,
    UnwritableChatError,
    Way,
    by_answers,
    learned_texts,
    read_chat,
)
from siftset.trainer.data.chat_counts import ChatCounts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOO_LONG: Final = "its last exchange is longer than train.max_length"
CONTROL: Final = "a content holds a special token of the tokenizer"


class TokenizedText(NamedTuple):
    """The tokens of a text, and where those that are learned begin and end."""

    ids: list[int]
    spans: tuple[Span, ...]
    edges: int = 0
    """Tokens that lie across the edge of an answer."""
    stop: int | None = None
    """The special token that ends the last answer."""


class ChatEncoder:
    """Turns stored conversations into tokens, and counts what became of them."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: ChatTemplate,
        *,
        length: int,
        learn: Learn = "all",
        answers_only: bool = True,
    ) -> None:
        if not tokenizer.is_fast:
            raise TrainingError(
                "conversations need a tokenizer that says where its tokens lie in the text (a "
                "tokenizer.json): convert the model's, or give train.template"
            )
        self.tokenizer, self.template, self.length = tokenizer, template, length
        self._learn, self._answers_only = learn, answers_only
        self.special = special_tokens(tokenizer)
        self._end = tokenizer.eos_token_id
        names = sorted(filter(None, map(str, self.special.values())), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, names))) if names else None

    def encode(self, rows: Sequence[Mapping[str, Any]], counts: ChatCounts) -> list[TokenizedText]:
        """Tokenize rows with `messages` and perhaps `tools`; those that cannot be are counted."""
        told: list[tuple[Chat, Way, list[LearnedText]]] = []
        for row in rows:
            try:
                told.append(self._write_row(row))
            except UnwritableChatError as error:
                counts.left_out[str(error)] += 1
        texts = [text for _, _, some in told for text in some]
        tokenized = iter(self.tokenize(texts))
        found: list[TokenizedText] = []
        for chat, way, some in told:
            made = [next(tokenized) for _ in some]
            found += self._fit_chat(chat, way, made, counts)
        return found

    def _write_row(self, row: Mapping[str, Any]) -> tuple[Chat, Way, list[LearnedText]]:
        chat = read_chat(row["messages"] or (), row.get("tools"), self._learn)
        if self._control is not None:
            for turn in row["messages"] or ():
                if any(self._control.search(turn[part] or "") for part in ("content", "extra")):
                    raise UnwritableChatError(CONTROL)
        return chat, *learned_texts(self.template, chat)

    def _fit_chat(
        self, chat: Chat, way: Way, made: list[TokenizedText], counts: ChatCounts
    ) -> list[TokenizedText]:
        """Leave out the first exchanges of a conversation that is too long, never half a turn."""
        if way == "answers":  # each answer has its own beginning
            fitted = [
                self._fit_answer(chat, at, one)
                for at, one in zip(sorted(chat.learned), made, strict=True)
            ]
        else:
            fitted = [self._fit_text(chat, made[0])]
        kept = [one for one in fitted if one is not None]
        if not kept:
            counts.left_out[TOO_LONG] += 1
            return []
        counts.shortened += any(a is not b for a, b in zip(fitted, made, strict=True))
        counts.chats += 1
        counts.ways[way] += 1
        counts.sequences += len(kept)
        for one in kept:
            counts.answers += len(one.spans)
            counts.edges += one.edges
            counts.tokens += len(one.ids)
            if one.stop is None:
                counts.endless += 1
            else:
                counts.stops[one.stop] += 1
        counts.plain_tokens += max(len(one.ids) for one in kept)
        return kept

    def _fit_answer(self, chat: Chat, at: int, made: TokenizedText) -> TokenizedText | None:
        upto = chat.first(at + 1)
        alone = Chat(upto.messages, frozenset([at]), upto.tools)
        return self._fit_text(alone, made)

    def _fit_text(self, chat: Chat, made: TokenizedText) -> TokenizedText | None:
        """Return the tokens with as few exchanges left out as it takes, None where none fits."""
        if len(made.ids) <= self.length:
            return made
        low, high, best = 1, len(chat.exchanges) - 1, None
        while low <= high:
            middle = (low + high) // 2
            shorter = self._encode_shorter(chat.drop_exchanges(middle))
            if shorter is not None and len(shorter.ids) <= self.length:
                best, high = shorter, middle - 1
            else:
                low = middle + 1
        return best

    def _encode_shorter(self, chat: Chat) -> TokenizedText | None:
        try:
            _, some = learned_texts(self.template, chat)
        except UnwritableChatError:
            return None
        return self.tokenize(some[-1:])[0]

    def tokenize(self, texts: Sequence[LearnedText]) -> list[TokenizedText]:
        """Tokenize texts, and find the tokens of what is learned of them."""
        if not texts:
            return []
        encoded = self.tokenizer(
            [text.text for text in texts],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        pairs = zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [self._learn_tokens(text, list(ids), places) for text, ids, places in pairs]

    def _learn_tokens(
        self, text: LearnedText, ids: list[int], places: Sequence[Span]
    ) -> TokenizedText:
        begins = token_begins(places)
        spans: list[Span] = []
        edges = 0
        for begin, end in text.spans:
            first, last = np.searchsorted(begins, [begin, end]).tolist()
            edges += sum(
                at and begins[at - 1] < edge < places[at - 1][1]
                for edge, at in ((begin, first), (end, last))
            )
            spans.append((first, self._end_of_answer(ids, first, last)))
        stop = self._find_stop(ids, spans, text)
        if stop is not None:
            spans = [
                (a, b + 1) if b < len(ids) and ids[b] == stop and ids[b - 1] != stop else (a, b)
                for a, b in spans
            ]
        elif text.ends_with_answer and self._end is not None:
            # no token ends the answers: the end of the text does
            last = spans[-1][1]
            ids = [*ids[:last], int(self._end)]
            spans[-1] = (spans[-1][0], last + 1)
        if not self._answers_only:
            spans = [(1, len(ids))]
        return TokenizedText(ids, tuple(spans), edges, stop)

    def find_end(self) -> int | None:
        """Return the special token that ends an answer, None where the template writes none."""
        turns = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
        try:
            texts = by_answers(self.template, Chat(turns, frozenset([1])))
        except UnwritableChatError:
            return None
        return self.tokenize(texts)[0].stop

    def _end_of_answer(self, ids: Sequence[int], first: int, last: int) -> int:
        """Return where an answer ends: after its last special token, if it has one."""
        for at in range(last - 1, first - 1, -1):
            if ids[at] in self.special:
                return at + 1
        return last

    def _find_stop(
        self, ids: Sequence[int], spans: Sequence[Span], text: LearnedText
    ) -> int | None:
        """Return the special token that ends the answers, within their spans or right after.

        After the last answer of a text nobody speaks: what stands there is its end, where between
        answers it could be the next speaker's name.
        """
        first, last = spans[-1]
        if last > first and ids[last - 1] in self.special:
            return ids[last - 1]
        if text.ends_with_answer and last < len(ids) and ids[last] in self.special:
            return ids[last]
        return None


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Return the special tokens of a tokenizer by their numbers."""
    added = tokenizer.added_tokens_decoder.items()
    found = {int(number): str(token) for number, token in added if token.special}
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return found | {int(number): str(token) for number, token in named}


def token_begins(places: Sequence[Span]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return where each token begins in its text, from the places that the tokenizer tells.

    A token of white space alone, which some tokenizers cut to nothing at its end, begins where the
    one before it ends.
    """
    begins = np.empty(len(places), np.int64)
    before = 0
    for at, (begin, end) in enumerate(places):
        begins[at] = before if begin == end else begin
        before = max(before, end)
    return np.maximum.accumulate(begins)
