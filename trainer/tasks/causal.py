"""Causal language modelling: prompts with answers, or plain text."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import format_count
from siftset.trainer.data.chat import ChatTemplate, find_chat_template
from siftset.trainer.data.chat_counts import ChatCounts
from siftset.trainer.data.chat_tokens import ChatEncoder
from siftset.trainer.data.pairs import encode_pairs
from siftset.trainer.data.tokens import (
    Chunker,
    Sequences,
    SplitTokens,
    TokenWriter,
    add_specials,
    encode_texts,
    encode_whole_texts,
)
from siftset.trainer.models.loading import Loaded
from siftset.trainer.tasks.base import (
    Batch,
    Collator,
    LanguageTask,
    TaskInputs,
    TaskSetup,
    as_tensors,
    make_setup,
    padded_inputs,
)
from siftset.trainer.tasks.reading import columns_of, read_frames, scan_files
from siftset.trainer.tasks.templates import Template, find_template


class CausalTask(LanguageTask):
    """Predict the next token, of the answer only where there are answers."""

    def __init__(
        self, made_of: TaskSetup, template: Template | None, chat: ChatTemplate | None = None
    ) -> None:
        self._of = made_of
        self.template = template
        self.chat = chat
        tokenizer = made_of.loaded.tokenizer
        self._pad = int(tokenizer.pad_token_id)
        end = tokenizer.eos_token_id
        self._end = self._pad if end is None else int(end)

    @property
    def loaded(self) -> Loaded:
        """The model and its tokenizer."""
        return self._of.loaded

    @property
    def length(self) -> int:
        """The longest sequence, in tokens."""
        return self._of.length

    def read_split(
        self, files: Sequence[Path], path: Path, sample: int | None, *, held_out: bool = False
    ) -> SplitTokens:
        """Tokenize a split: the conversation of each row, prompt and answer, or its text.

        Held-out texts are read one by one, never joined, as a comparison asks them.
        """
        writer = TokenWriter(path)
        if self.chat is not None:
            self._write_chats(self.chat, files, writer, sample)
            return writer.finish()
        if self.template is None:
            packed = not (held_out or self._of.config.line_by_line)
            tokenizer, specials = self.loaded.tokenizer, self._of.specials
            chunker = Chunker(self.length - specials.n, self._end)
            for frame in read_frames(files, ["text"], sample=sample, seed=self._of.seed):
                texts = [text for text in frame["text"].to_list() if text]
                if packed:
                    some = chunker.add(encode_texts(tokenizer, texts, None))
                    writer.add(add_specials(some, specials))
                else:
                    writer.add(encode_whole_texts(tokenizer, texts, self.length, specials))
            if packed:
                writer.add(add_specials(chunker.cut_rest(), specials))
            return writer.finish()
        for frame in read_frames(files, self.template.columns, sample=sample, seed=self._of.seed):
            writer.add(self.encode_rows(frame))
        return writer.finish()

    def _write_chats(
        self, chat: ChatTemplate, files: Sequence[Path], writer: TokenWriter, sample: int | None
    ) -> None:
        """Tokenize the conversations of a split; raise TrainingError where none can be learned."""
        config, counts = self._of.config, ChatCounts()
        encoder = ChatEncoder(
            self.loaded.tokenizer,
            chat,
            length=self.length,
            learn=config.learn_turns,
            answers_only=config.answer_only_loss,
        )
        columns = [name for name in (COLUMN, "tools") if name in columns_of(files)]
        for frame in read_frames(files, columns, sample=sample, seed=self._of.seed):
            before = counts.chats
            made = encoder.encode(frame.to_dicts(), counts)
            writer.add(
                Sequences(
                    [one.ids for one in made],
                    spans=[one.spans for one in made],
                    texts=counts.chats - before,
                )
            )
        writer.chats = counts
        if {"chosen", "rejected"} <= set(columns_of(files)):
            counts.preferences = counts.chats
        if not counts.chats and counts.left_out:
            reason, rows = counts.left_out.most_common(1)[0]
            raise TrainingError(
                f"no conversation can be learned: {reason} ({rows:,} of "
                f"{format_count(counts.left_out.total(), 'row')}): fix the rows, choose another "
                "train.chat_template, or raise train.max_length"
            )

    def encode_rows(self, frame: pl.DataFrame) -> Sequences:
        """Tokenize prompts and answers; a row without an answer is left out."""
        assert self.template is not None
        tokenizer = self.loaded.tokenizer
        rows = [row for row in frame.iter_rows(named=True) if row[self.template.answer]]
        pairs = encode_pairs(
            tokenizer, list(map(self.template.ask, rows)), list(map(self.template.reply, rows))
        )
        fitted = [pair.fit(self._of.specials, self._end, self.length) for pair in pairs]
        unknown = tokenizer.unk_token_id
        return Sequences(
            [ids for ids, _, _ in fitted],
            spans=[
                ((start if self._of.config.answer_only_loss else 1, len(ids)),)
                for ids, start, _ in fitted
            ],
            cut=sum(cut for _, _, cut in fitted),
            unknown=0
            if unknown is None
            else sum(pair.prompt.count(unknown) + pair.answer.count(unknown) for pair in pairs),
            texts=len(rows),
        )

    def make_collator(self, tokens: SplitTokens) -> Collator:
        """Return the collator of a split."""
        return functools.partial(self.make_batch, tokens)

    def make_batch(self, tokens: SplitTokens, keys: Sequence[tuple[int, int]]) -> Batch:
        """Pad the rows; position p is asked for token p + 1 where that is learned."""
        rows = np.asarray([row for _, row in keys], dtype=np.int64)
        ids, mask = padded_inputs(tokens, rows, self._pad)
        spans = tokens.spans
        learned = mask > 0 if spans is None else spans.mark_learned(rows, ids.shape[1])
        following = np.zeros_like(learned)
        following[:, :-1] = learned[:, 1:]
        targets = np.roll(ids, -1, axis=1)
        return as_tensors(ids, mask, following, targets)


def prepare_causal(inputs: TaskInputs) -> CausalTask:
    """Load the model, and find the template for the training rows: of chats, or of columns."""
    made_of, data = make_setup(inputs.config, inputs.load_model(), inputs.seed), inputs.data
    config, loaded = inputs.config, made_of.loaded
    if holds_chats(data.files["train"]) and config.template is None:
        chat = find_chat_template(loaded.tokenizer, config.chat_template, loaded.name)
        return CausalTask(made_of, None, chat)
    columns = columns_of(data.files["train"])
    return CausalTask(made_of, find_template(columns, config.template, data.names))


def holds_chats(files: Sequence[Path]) -> bool:
    """Return whether the rows of a split are conversations."""
    return scan_files(files[:1]).collect_schema().get(COLUMN) == MESSAGES
