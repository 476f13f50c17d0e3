"""A masked LM's head that was never trained begins where it learns fastest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siftset.trainer.data.tokens import Tokens

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


def start_head(model: PreTrainedModel, tokens: Tokens) -> None:
    """Make a fresh head pass on what the encoder says, and guess by how often a token occurs.

    Square layers start at the identity and the output bias at the log of the unigram frequency
    (add-one smoothed), so that the first steps need not learn either.
    """
    import torch

    with torch.no_grad():
        for layer in _square_layers(model):
            torch.nn.init.eye_(layer.weight)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
        output = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        bias = getattr(output, "bias", None)
        if bias is not None:
            bias.copy_(torch.from_numpy(log_frequencies(tokens, len(bias))))


def log_frequencies(tokens: Tokens, vocabulary: int) -> NDArray[np.float32]:
    """Return the log of each token's add-one smoothed share of all tokens, (vocabulary,) fp32."""
    counts = np.ones(vocabulary)
    for i in range(len(tokens)):
        np.add.at(counts, tokens.row(i), 1)
    shares: NDArray[np.float64] = np.log(counts / counts.sum())
    return shares.astype(np.float32)


def _square_layers(model: PreTrainedModel) -> Iterator[nn.Linear]:
    """Yield the square linear layers above the encoder."""
    from torch import nn

    below = set(model.base_model.modules())
    for part in model.modules():
        if not isinstance(part, nn.Linear) or part in below:
            continue
        if part.in_features == part.out_features:
            yield part
