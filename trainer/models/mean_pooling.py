"""Mean pooling by an ordinary layer, for encoders that were trained to be averaged.

Stock classification heads read the state of the first token. One more encoder layer, whose
attention is uniform, puts the mean of all states there: the model stays a stock one, loads by
AutoModelForSequenceClassification, and an answer does not depend on its batch.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.trainer.models.embedded import EMBEDDED

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

MARK: Final = "siftset_averaging_layer"
"""Set in the configuration of a model whose last layer averages."""

WEIGHT: Final = 1000.0
"""Weight of the mean against the state that the layer's residual connection adds to it."""

START: Final = 0.3
"""A pooler starts at this share of the identity: tanh is nearly linear on states of variance 1."""

BERT_PARTS: Final = {
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *(f"attention.output.{part}" for part in ("dense", "LayerNorm")),
    *("intermediate.dense", "output.dense", "output.LayerNorm"),
}
"""What a layer must be made of to become one that averages."""


def has_averaging_layer(model: nn.Module) -> bool:
    """Say whether the last layer of a model is one that averages."""
    return bool(getattr(getattr(model, "config", None), MARK, False))


def wants_mean(name: str) -> bool:
    """Say whether an encoder was trained to be averaged, as sentence-transformers records it."""
    if name in EMBEDDED:
        return True
    pooling = Path(name).expanduser() / "1_Pooling" / "config.json"
    if not pooling.is_file():
        return False
    try:
        said = json.loads(pooling.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("pooling_mode_mean_tokens") is True


def add_averaging_layer(model: PreTrainedModel) -> bool:
    """Append the layer; return False for a model whose layers are not those of BERT.

    Its output at every token is the mean state of the text's tokens, standardised over the width:
    LayerNorm(state + WEIGHT * mean). A pooler starts near the identity.
    """
    import torch

    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if (
        has_averaging_layer(model)
        or not layers
        or not dict(layers[-1].named_modules()).keys() >= BERT_PARTS
    ):
        return False
    layer = copy.deepcopy(layers[-1])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        torch.nn.init.eye_(layer.attention.self.value.weight)
        torch.nn.init.eye_(layer.attention.output.dense.weight).mul_(WEIGHT)
        for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
            norm.weight.fill_(1.0)
        dense = getattr(getattr(model.base_model, "pooler", None), "dense", None)
        if dense is not None:
            torch.nn.init.eye_(dense.weight).mul_(START)
            dense.bias.zero_()
    layers.append(layer)
    model.config.num_hidden_layers += 1
    setattr(model.config, MARK, True)
    return True


@contextmanager
def watch_plain_states(model: PreTrainedModel) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give a function from the last states of a call to those that the base model would leave.

    They are the same, but for a model with an averaging layer: those below it.
    """
    if not has_averaging_layer(model):
        yield lambda states: states
        return
    below: list[Tensor] = []

    def keep(_: object, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        below[:] = [output[0] if isinstance(output, tuple) else output]

    encoder: nn.Module = model.base_model.encoder  # type: ignore[assignment]
    handle = encoder.layer[-2].register_forward_hook(keep)  # type: ignore[index, union-attr]
    try:
        yield lambda _: below[0]
    finally:
        handle.remove()
