"""What a run will cost, said before it starts: parameters, memory, floating-point operations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.train import Train
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.hardware import Hardware
from siftset.trainer.models.sparse_head import unwrap_model

if TYPE_CHECKING:
    from torch import nn

STATES = {"adamw_torch_fused": 2, "adamw_torch": 2, "adafactor": 0, "sgd": 0}
"""Numbers that an optimizer keeps of every trained parameter (adafactor: about none)."""


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Parameters, bytes and floating-point operations."""

    parameters: int
    trained_parameters: int
    model_bytes: int
    state_bytes: int
    """Weights, gradients and optimizer."""
    activation_bytes: int
    """A rough figure for one batch of the longest rows."""
    flops_per_batch: float
    """Forward and backward of a full batch of `max_length` tokens."""
    tokens: int
    """Of one epoch."""

    def describe(self) -> str:
        """Return one line for the user."""
        share = self.trained_parameters / max(self.parameters, 1)
        return (
            f"model: {_format_count(self.parameters)} parameters ({share:.1%} trained), "
            f"{_format_bytes(self.model_bytes)}, about "
            f"{_format_bytes(self.state_bytes + self.activation_bytes)} to train, "
            f"{_format_flops(self.flops_per_batch)} a full batch, "
            f"{format_count(self.tokens, 'token')} an epoch"
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields by name."""
        return dict(asdict(self))


def _format_count(number: int) -> str:
    return f"{number:,}" if number < 1e6 else f"{number / 1e6:,.1f}M"


def _format_bytes(number: float) -> str:
    """Write bytes in the largest binary unit of which there is one, so that none shows as 0.00."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if number >= size:
            return f"{number / size:,.2f} {unit}"
    return f"{number / 2**10:,.1f} KiB"


def _format_flops(number: float) -> str:
    return f"{number / 1e9:,.1f} GFLOPs" if number >= 1e9 else f"{number / 1e6:,.1f} MFLOPs"


def estimate_cost(
    model: nn.Module, tokens: SplitTokens, config: Train, hardware: Hardware
) -> CostEstimate:
    """Return what training this model on these tokens costs on each device."""
    all_parameters = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    longest = int(tokens.lengths.max())
    at_once = config.batch_tokens or config.batch_size * longest
    plain = unwrap_model(model)
    embedded = sum(p.numel() for p in plain.get_input_embeddings().parameters())
    shape = plain.config
    width = int(getattr(shape, "hidden_size", 0) or 0)
    layers = int(getattr(shape, "num_hidden_layers", 0) or 0)
    heads = int(getattr(shape, "num_attention_heads", 0) or 0)
    kept = 1 if config.gradient_checkpointing else 16
    number = 2 if hardware.precision == "bf16" else 4
    scores = 0 if hardware.attention == "sdpa" else heads * longest
    return CostEstimate(
        parameters=all_parameters,
        trained_parameters=trained,
        model_bytes=weights,
        state_bytes=weights + 4 * trained * (1 + STATES[config.optim]),
        activation_bytes=at_once * layers * (kept * width + scores) * number,
        flops_per_batch=6.0 * (all_parameters - embedded) * at_once,
        tokens=tokens.total,
    )
