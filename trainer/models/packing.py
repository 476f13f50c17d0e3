"""Sequences side by side without padding, each of which attends to itself alone.

Rows of a batch are laid end to end as one long row; positions start again with each of them, and an
attention of our own is told where they begin. On CUDA in bf16 that is torch's variable-length
kernel, elsewhere one attention a sequence: the same loss and gradients as padded, for encoders too,
whose texts a plain flattened batch would let look at each other.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.schemas.tasks import TASKS
from siftset.trainer.models.hardware import Hardware
from siftset.trainer.models.positions import first_position
from siftset.trainer.models.sparse_head import backbone_of, unwrap_model

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

NAME: Final = "siftset_packed"
"""The attention's name among those of transformers."""

BIASES: Final = ("sliding_window", "softcap", "s_aux", "position_bias", "head_mask")
"""Arguments of attentions that do more than this one."""

DROPOUTS: Final = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
"""What families call the dropout of attention, which the variable-length kernel does not have."""

PROBED: Final = 256
"""Tokens of the longest sequence by which packed and padded are compared."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch without padding: what the model is given, and where its targets are."""

    inputs: dict[str, Any]
    positions: Tensor


def pack_rows(batch: Mapping[str, Tensor], first: int = 0) -> Packed:
    """Lay the rows of a batch (padded on the right) end to end; positions start at `first`."""
    import torch

    ids, mask = batch["input_ids"], batch["attention_mask"]
    real = mask.flatten().bool()
    ends = mask.sum(1).cumsum(0)
    starts = torch.nn.functional.pad(ends, (1, 0)).to(torch.int32)
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    inputs = {
        "input_ids": ids.flatten()[real][None],
        "position_ids": places.flatten()[real][None] + first,
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": int(ids.shape[1]),
        "max_length_k": int(ids.shape[1]),
    }
    return Packed(inputs, (real.cumsum(0) - 1)[batch["positions"]])


@dataclass(frozen=True, slots=True)
class PackingMode:
    """How a packed row is attended to."""

    starts: Tensor
    """Where each sequence begins, and where the last one ends."""
    longest: int
    causal: bool
    scale: float | None
    dropout: float
    grouped: bool
    """Fewer heads of keys than of queries."""


def attend_packed(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: object,
) -> tuple[Tensor, None]:
    """Attend within each sequence of one packed row (1, heads, tokens, width).

    Raises ValueError for what it cannot do, so that such models train padded.
    """
    beyond = [name for name in BIASES if options.get(name) is not None]
    if attention_mask is not None or beyond or "cu_seq_lens_q" not in options:
        raise ValueError(f"packed attention takes packed rows only, without {beyond or 'a mask'}")
    causal = options.get("is_causal")
    manner = PackingMode(
        starts=cast("Tensor", options["cu_seq_lens_q"]),
        longest=cast("int", options["max_length_q"]),
        causal=bool(getattr(module, "is_causal", True) if causal is None else causal),
        scale=cast("float | None", options.get("scaling")),
        dropout=cast("float", options.get("dropout", 0.0)),
        grouped=key.shape[1] != query.shape[1],
    )
    fast = query.is_cuda and query.element_size() == 2
    return (_attend_by_kernel if fast else _attend_one_by_one)((query, key, value), manner), None


def _attend_by_kernel(parts: tuple[Tensor, Tensor, Tensor], manner: PackingMode) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (part[0].transpose(0, 1) for part in parts)
    out = varlen_attn(
        query,
        key,
        value,
        manner.starts,
        manner.starts,
        manner.longest,
        manner.longest,
        scale=manner.scale,
        window_size=(-1, 0 if manner.causal else -1),
        enable_gqa=manner.grouped,
    )
    assert not isinstance(out, tuple)
    return out[None]


def _attend_one_by_one(parts: tuple[Tensor, Tensor, Tensor], manner: PackingMode) -> Tensor:
    import torch

    outs = []
    for start, end in itertools.pairwise(manner.starts.tolist()):
        query, key, value = (part[:, :, start:end] for part in parts)
        out = torch.nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=manner.dropout,
            is_causal=manner.causal,
            scale=manner.scale,
            enable_gqa=manner.grouped,
        )
        outs.append(out)
    return torch.cat(outs, dim=2).transpose(1, 2).contiguous()


def wants_packing(config: Train, hardware: Hardware, model: nn.Module) -> bool:
    """Say whether rows are to be packed, should the model be able to.

    On a CPU batches of like lengths are as fast. The kernel has no dropout of attention, so models
    that have it are packed only where the recipe says so.
    """
    if config.packing is True and TASKS[config.task].labelled:
        raise TrainingError("train.packing packs rows of mlm and causal: leave it out here")
    if config.packing != "auto":
        return config.packing
    shape = unwrap_model(model).config
    drops = config.dropout != 0 and any(getattr(shape, name, 0) for name in DROPOUTS)
    fast = hardware.device == "cuda" and hardware.precision == "bf16"
    return fast and hardware.attention == "sdpa" and not TASKS[config.task].labelled and not drops


def use_packed(model: nn.Module, hardware: Hardware, length: int) -> bool:
    """Switch a model to packed attention if its states stay the same by it, else leave it."""
    plain = unwrap_model(model)
    before = plain.config._attn_implementation
    try:
        same = _gives_same_states(plain, hardware, length)
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, ImportError):
        same = False
    if not same:
        plain.set_attn_implementation(before)
    return same


def use_padded(model: nn.Module, attention: str) -> None:
    """Switch a model back, so that it can be asked and saved."""
    plain = unwrap_model(model)
    if plain.config._attn_implementation == NAME:
        plain.set_attn_implementation(attention)


def _gives_same_states(model: PreTrainedModel, hardware: Hardware, length: int) -> bool:
    """Compare the states of a batch packed and padded; the model is left packed."""
    import torch
    from transformers import AttentionInterface

    if "kwargs" not in inspect.signature(model.forward).parameters:
        return False
    AttentionInterface.register(NAME, attend_packed)
    half = hardware.precision == "bf16"
    model.to(hardware.device)  # type: ignore[arg-type]
    # a batch of random tokens, of several lengths
    longest = min(length, PROBED)
    vocabulary = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[index]
    lengths = torch.tensor([longest, max(longest // 2, 1), 1, max(longest // 3, 1)])
    drawn = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (4, longest), generator=drawn)
    pad = int(model.config.pad_token_id or 0)
    ids = ids.masked_fill(ids == pad, (pad + 1) % vocabulary)
    mask = (torch.arange(longest)[None] < lengths[:, None]).long()
    ids = ids.masked_fill(mask == 0, pad)
    probe = {"input_ids": ids, "attention_mask": mask, "positions": torch.arange(1)}
    batch = {k: v.to(hardware.device) for k, v in probe.items()}
    training = model.training
    with torch.no_grad(), torch.autocast(hardware.device, torch.bfloat16, enabled=half):
        torch.nn.Module.eval(model)
        inner = backbone_of(model)
        padded = inner(**{name: batch[name] for name in ("input_ids", "attention_mask")})[0]
        model.set_attn_implementation(NAME)
        packed = inner(**pack_rows(batch, first_position(model)).inputs)[0]
    model.train(training)
    expected = padded[batch["attention_mask"].bool()].float()
    gap = (packed[0].float() - expected).abs().max() / expected.abs().max()
    return model.config._attn_implementation == NAME and bool(gap < (0.05 if half else 1e-4))
