"""The head of a language model on the positions that count only.

A masked language model predicts about 15 % of its tokens, yet projects every one of them onto the
vocabulary, which is most of the work of a small model. One forward hook between the encoder and its
head keeps the wanted positions: the same loss and gradients, for any family of transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def unwrap_model(model: nn.Module) -> PreTrainedModel:
    """Return the transformers model inside DDP, torch.compile and PEFT wrappers."""
    wrapped = getattr(model, "module", None) or getattr(model, "_orig_mod", None)
    if wrapped is not None:
        return unwrap_model(wrapped)
    inside = getattr(model, "get_base_model", None)
    return unwrap_model(inside()) if callable(inside) else cast("PreTrainedModel", model)


def backbone_of(model: nn.Module) -> nn.Module:
    """Return the part of a model below its head."""
    return unwrap_model(model).base_model


@contextmanager
def head_on_positions(model: nn.Module, positions: Tensor) -> Iterator[None]:
    """Give the head these flat positions (of batch x length) only, as one row.

    Within, the logits of `model` have the shape (1, positions, vocabulary).
    """

    def keep(_: nn.Module, __: object, output: object) -> object:
        hidden = output[0]  # type: ignore[index]
        kept = hidden.reshape(-1, hidden.shape[-1]).index_select(0, positions)[None]
        if isinstance(output, tuple):
            return (kept, *output[1:])
        output["last_hidden_state"] = kept  # type: ignore[index]
        return output

    handle = backbone_of(model).register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def logits_at(model: nn.Module, inputs: Mapping[str, Any], positions: Tensor) -> Tensor:
    """Return logits (positions, vocabulary) in float32 at flat positions of the batch."""
    with head_on_positions(model, positions):
        output = model(**inputs)
    logits: Tensor = output.logits[0].float()
    return logits
