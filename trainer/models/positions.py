"""How a model counts the positions of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siftset.trainer.models.sparse_head import unwrap_model

if TYPE_CHECKING:
    from torch import nn


def first_position(model: nn.Module) -> int:
    """Return the position of a text's first token.

    The families of RoBERTa keep the position of the pad token free and count from the one after it;
    their table of positions says so.
    """
    for name, part in unwrap_model(model).named_modules():
        if name.rpartition(".")[2] == "position_embeddings":
            pad = getattr(part, "padding_idx", None)
            return 0 if pad is None else int(pad) + 1
    return 0
