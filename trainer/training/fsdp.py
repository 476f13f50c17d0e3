"""Weights shared out among the processes: FSDP, as a configuration of accelerate asks for it.

Each process keeps a part of the weights, their gradients and the optimizer, and whole layers only
while it computes them. accelerate shards on GPUs; on CPUs it takes the same configuration without a
word and copies the model to every process, so there it is told to shard.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Final

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.sparse_head import unwrap_model

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped, unused-ignore]
    from torch import nn

ASKED: Final = "ACCELERATE_USE_FSDP"
VERSION: Final = "FSDP_VERSION"
LOADING: Final = "FSDP_CPU_RAM_EFFICIENT_LOADING"


def is_sharded() -> bool:
    """Say whether the launcher of this process asks for weights that are shared out."""
    return "RANK" in os.environ and os.environ.get(ASKED, "").lower() == "true"


def check_sharded(config: Train) -> None:
    """Raise TrainingError for what cannot be shared out; asked before a model is loaded."""
    if not is_sharded():
        return
    if os.environ.get(VERSION, "1") != "2":
        raise TrainingError(
            "train.distributed.accelerate asks for FSDP version 1, expected fsdp_version: 2: "
            "convert the file with  accelerate to-fsdp2"
        )
    if config.method != "full" or config.torch_compile:
        named = (
            "train.torch_compile: true"
            if config.torch_compile
            else "a train.method other than full"
        )
        raise TrainingError(
            f"{named} does not go with FSDP: leave it out, or leave FSDP out of the file "
            "that train.distributed.accelerate names"
        )
    os.environ[LOADING] = "false"  # else every process but the first starts from empty weights


def shard_model(accelerator: Accelerator, model: nn.Module) -> None:
    """Have an accelerator shard, on CPUs too: by layers, unless the configuration names parts."""
    if getattr(accelerator.state, "fsdp_plugin", None) is None:
        # accelerate makes no plugin on CPUs
        from accelerate import PartialState
        from accelerate.utils import (  # type: ignore[import-untyped, unused-ignore]
            DistributedType,
            FullyShardedDataParallelPlugin,
        )

        plugin = FullyShardedDataParallelPlugin()
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        accelerator.state.fsdp_plugin = plugin
        accelerator.state.distributed_type = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    plugin = accelerator.state.fsdp_plugin
    if plugin.transformer_cls_names_to_wrap is None:
        inner = unwrap_model(model)
        here = {type(part).__name__ for part in inner.modules()}
        # Embeddings may share their weights with the head.
        plugin.transformer_cls_names_to_wrap = sorted(
            name
            for name in inner._no_split_modules or ()
            if name in here and "Embedding" not in name
        )


class WeightGatherer:
    """Puts a model that is shared out together again.

    The first process copies it to the CPU before, and this copy takes the trained weights: what is
    sharded cannot be made whole in its place.
    """

    def __init__(self, model: nn.Module) -> None:
        self._copy: nn.Module | None = None
        self._twins: dict[str, str] = {}
        if is_sharded():
            first = int(os.environ["RANK"]) == 0
            self._copy = copy.deepcopy(model).cpu() if first else None
            self._twins = _hold_bias_once(model)

    def gather(self, accelerator: Accelerator, model: nn.Module) -> nn.Module:
        """Return the model with all its weights to the first process; every one takes part."""
        if not is_sharded():
            return model
        weights = accelerator.get_state_dict(model)
        if self._copy is None:
            return model
        twins = {name: weights[kept] for name, kept in self._twins.items()}
        self._copy.load_state_dict({**weights, **twins})
        return self._copy


def _hold_bias_once(model: nn.Module) -> dict[str, str]:
    """Leave the bias of the decoder to the decoder; return its name by the names that it loses.

    The heads of BERT's family hold it too, without using it, and FSDP takes a parameter once.
    """
    decoder = unwrap_model(model).get_output_embeddings()  # type: ignore[no-untyped-call]
    bias = getattr(decoder, "bias", None)
    if bias is None:
        return {}
    (kept,) = (f"{name}.bias" for name, part in model.named_modules() if part is decoder)
    named = model.named_parameters(remove_duplicate=False)
    twins = [name for name, one in named if one is bias and name != kept]
    for name in twins:
        holder, _, own = name.rpartition(".")
        model.get_submodule(holder).register_parameter(own, None)
    return dict.fromkeys(twins, kept)
