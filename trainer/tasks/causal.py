"""Causal language modelling: prompts with answers, or plain text."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

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
from siftset.trainer.tasks.reading import columns_of, read_frames
from siftset.trainer.tasks.templates import Template, find_template


class CausalTask(LanguageTask):
    """Predict the next token, of the answer only where there are answers."""

    def __init__(self, made_of: TaskSetup, template: Template | None) -> None:
        self._of = made_of
        self.template = template
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
        """Tokenize a split: prompt and answer of each row, or its text.

        Held-out texts are read one by one, never joined, as a comparison asks them.
        """
        writer = TokenWriter(path)
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
            starts=[start if self._of.config.answer_only_loss else 1 for _, start, _ in fitted],
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
        """Pad the rows; position p is asked for token p + 1 from the row's start on."""
        rows = np.asarray([row for _, row in keys], dtype=np.int64)
        ids, mask = padded_inputs(tokens, rows, self._pad)
        starts = np.ones(len(rows), np.int64) if tokens.starts is None else tokens.starts[rows]
        at = np.arange(ids.shape[1])[None]
        following = (at + 1 < tokens.lengths[rows][:, None]) & (at + 1 >= starts[:, None])
        targets = np.roll(ids, -1, axis=1)
        return as_tensors(ids, mask, following, targets)


def prepare_causal(inputs: TaskInputs) -> CausalTask:
    """Load the model, and find the template for the columns of the training rows."""
    made_of, data = make_setup(inputs.config, inputs.load_model(), inputs.seed), inputs.data
    columns = columns_of(data.files["train"])
    return CausalTask(made_of, find_template(columns, inputs.config.template, data.names))
