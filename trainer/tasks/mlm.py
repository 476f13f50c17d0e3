"""Masked language modelling, on chunks of joined texts or line by line."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siftset.schemas.errors import ModelError
from siftset.trainer.data.masks import Masking
from siftset.trainer.data.tokens import (
    Chunker,
    SplitTokens,
    TokenWriter,
    add_specials,
    encode_texts,
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
from siftset.trainer.tasks.reading import read_frames


class MlmTask(LanguageTask):
    """Predict masked tokens; masks depend on (seed, epoch, row) alone."""

    def __init__(self, made_of: TaskSetup) -> None:
        tokenizer = made_of.loaded.tokenizer
        if tokenizer.mask_token_id is None:
            raise ModelError(
                f"the tokenizer of '{made_of.loaded.name}' has no mask token: task mlm needs an "
                "encoder such as minilm; a decoder takes task: causal"
            )
        self._of = made_of
        self._masking = Masking(
            mask_id=tokenizer.mask_token_id,
            vocabulary=len(tokenizer),
            probability=made_of.config.mlm_probability,
            seed=made_of.seed,
        )
        self._special = np.asarray(sorted(tokenizer.all_special_ids), dtype=np.int64)
        self._pad = int(tokenizer.pad_token_id)

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
        """Tokenize a split: one sequence a row, or chunks of the joined texts."""
        config, writer = self._of.config, TokenWriter(path)
        body = self.length - self._of.specials.n
        tokenizer, words = self.loaded.tokenizer, config.whole_word_mask
        separator = tokenizer.sep_token_id or tokenizer.eos_token_id or self._pad
        chunker = Chunker(body, int(separator))
        for frame in read_frames(files, ["text"], sample=sample, seed=self._of.seed):
            texts = frame["text"].drop_nulls().to_list()
            some = encode_texts(
                tokenizer, texts, body if config.line_by_line else None, words=words
            )
            some = some if config.line_by_line else chunker.add(some)
            writer.add(add_specials(some, self._of.specials))
        if not config.line_by_line:
            writer.add(add_specials(chunker.cut_rest(), self._of.specials))
        return writer.finish()

    def make_collator(self, tokens: SplitTokens) -> Collator:
        """Return the collator of a split."""
        return functools.partial(self.make_batch, tokens)

    def make_batch(self, tokens: SplitTokens, keys: Sequence[tuple[int, int]]) -> Batch:
        """Pad the rows and mask them."""
        epoch = keys[0][0]
        rows = np.asarray([row for _, row in keys], dtype=np.int64)
        ids, mask = padded_inputs(tokens, rows, self._pad)
        words = tokens.pad_rows(rows, -1, "words") if self._of.config.whole_word_mask else None
        maskable = (mask == 1) & ~np.isin(ids, self._special)
        masked, chosen = self._masking.mask_rows(ids, maskable, rows, epoch, words)
        return as_tensors(masked, mask, chosen, ids)


def prepare_mlm(inputs: TaskInputs) -> MlmTask:
    """Load the model and make the task."""
    return MlmTask(make_setup(inputs.config, inputs.load_model(), inputs.seed))
