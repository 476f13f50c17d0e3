"""Held-out conversations as questions: all before the last answer, and that answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.data.chat import Chat, ChatTemplate, UnwritableChatError, by_answers, read_chat
from siftset.trainer.data.chat_tokens import special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(slots=True)
class ChatQuestions:
    """Writes questions as a chat template does, and remembers what a reader is shown of them."""

    template: ChatTemplate
    special: re.Pattern[str]
    """What a reader does not see of an answer."""
    shown: dict[str, str] = field(default_factory=dict)
    """What is shown of a prompt: the last thing that the user said."""

    @classmethod
    def of_tokenizer(
        cls, template: ChatTemplate, tokenizer: PreTrainedTokenizerBase
    ) -> ChatQuestions:
        """Return one for the special tokens of a tokenizer."""
        names = sorted(special_tokens(tokenizer).values(), key=len, reverse=True)
        return cls(template, re.compile("|".join(map(re.escape, names)) or "$^"))

    def write_prompt(self, text: str) -> str:
        """Return what stands before the answer to a question."""
        asked = Chat(({"role": "user", "content": text},), frozenset())
        prompt = self.template.render(asked, prompt=True)
        self.shown[prompt] = text
        return prompt

    def write_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add prompt, answer and reference to rows of conversations, or of prompts with answers.

        Rows that the template cannot write, and those without an answer to learn, are left out.
        """
        if frame.schema.get(COLUMN) == MESSAGES:
            written = [self._write_row(row) for row in frame.iter_rows(named=True)]
        elif {"prompt", "answer"} <= set(frame.columns):
            pairs = frame.select("prompt", "answer").iter_rows()
            written = [self._write_row({COLUMN: _as_turns(*pair)}) for pair in pairs]
        else:
            return frame
        names = ("prompt", "answer", "reference")
        values = [one or (None, None, None) for one in written]
        columns = [
            pl.Series(name, [one[at] for one in values], dtype=pl.String)
            for at, name in enumerate(names)
        ]
        return frame.with_columns(columns).filter(pl.col("answer").is_not_null())

    def _write_row(self, row: Mapping[str, Any]) -> tuple[str, str, str] | None:
        try:
            chat = read_chat(row[COLUMN] or (), row.get("tools"), "all")
            if not chat.learned:
                return None
            last = max(chat.learned)
            upto = replace(chat.first(last + 1), learned=frozenset([last]))
            [text] = by_answers(self.template, upto)
        except UnwritableChatError:
            return None
        [(begin, end)] = text.spans
        prompt, answer = text.text[:begin], text.text[begin:end]
        spoken = [one["content"] for one in upto.messages[:last] if one["role"] == "user"]
        self.shown[prompt] = spoken[-1] if spoken else prompt
        return prompt, answer, self.special.sub("", answer).strip()


def _as_turns(prompt: str | None, answer: str | None) -> list[dict[str, str | None]]:
    roles = (("user", prompt), ("assistant", answer))
    return [{"role": role, "content": text, "extra": None} for role, text in roles if text]


def write_chats(questions: QuestionSet, writer: ChatQuestions) -> QuestionSet:
    """Write everything that is asked as conversations."""
    return replace(
        questions,
        rows=writer.write_rows(questions.rows),
        golden=None if questions.golden is None else writer.write_rows(questions.golden),
        prompts=tuple(
            replace(prompt, text=writer.write_prompt(prompt.text)) for prompt in questions.prompts
        ),
        outside=tuple(map(writer.write_prompt, questions.outside)),
        chat=writer.template,
        shown=writer.shown,
    )
