"""What is trained: everything, the head, the last layers, or low-rank adapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from siftset.schemas.errors import ModelError, TrainingError
from siftset.schemas.recipe.train import LastLayers, LoraMethod, Train
from siftset.schemas.tasks import TASKS
from siftset.trainer.models.mean_pooling import has_averaging_layer
from siftset.trainer.models.sparse_head import unwrap_model

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(slots=True)
class Prepared:
    """A model made ready for its method."""

    model: nn.Module
    """What the loop trains: the model, or its adapters around it."""
    layers: list[nn.Module] = field(default_factory=list)
    """Layers that train under `last_layers`, the last one first."""
    gradual: bool = False
    decay: float = 1.0
    head: list[nn.Parameter] = field(default_factory=list)
    """What lies above the encoder, if it has a rate of its own."""
    head_rate: float = 1.0

    def rate_of(self, parameter: nn.Parameter) -> float:
        """Return the share of the learning rate of a parameter, by the depth of its layer."""
        for depth, layer in enumerate(self.layers, start=1):
            if any(parameter is own for own in layer.parameters()):
                return float(self.decay**depth)
        return self.head_rate if any(parameter is own for own in self.head) else 1.0

    def unfreeze_for(self, epoch: int) -> int:
        """Let train what epoch `epoch` may train: the head, then a layer more every epoch."""
        open_layers = min(epoch, len(self.layers)) if self.gradual else len(self.layers)
        for depth, layer in enumerate(self.layers):
            layer.requires_grad_(depth < open_layers)
        return open_layers


def prepare_method(
    model: PreTrainedModel, config: Train, *, seed: int = 0, processes: int = 1
) -> Prepared:
    """Freeze what the recipe freezes, or put adapters in, initialised under `seed`."""
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    prepared = _apply_method(model, config, seed=seed, processes=processes)
    if has_averaging_layer(model):
        # the layer that averages stays as it is; what adapters put into it may train
        layer = _all_layers(model)[-1]
        switch_off_dropout(layer)
        for name, parameter in layer.named_parameters():
            if "lora_" not in name:
                parameter.requires_grad_(False)
    if config.freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    if config.head_learning_rate is not None:
        below = {id(parameter) for parameter in model.base_model.parameters()}
        prepared.head = [own for own in model.parameters() if id(own) not in below]
        prepared.head_rate = config.head_learning_rate / config.learning_rate
    return prepared


def _apply_method(model: PreTrainedModel, config: Train, *, seed: int, processes: int) -> Prepared:
    import torch

    method = config.method
    if isinstance(method, LoraMethod):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Prepared(_add_adapters(model, config, method))
    if isinstance(method, LastLayers):
        return _train_last_layers(model, method, processes)
    if method == "frozen":
        # a pooler belongs to the head, and so does an untied decoder
        base = model.base_model
        base.requires_grad_(False)
        for part in _upper_parts(base):
            part.requires_grad_(True)
        switch_off_dropout(base)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise TrainingError(
                f"train.method: frozen leaves nothing to train in {type(model).__name__}, whose "
                "head is its embedding: use  method: {lora: {rank: 16}}  or last_layers"
            )
    return Prepared(model)


def _upper_parts(base: nn.Module) -> Iterator[nn.Module]:
    """Yield what lies between the layers and the head and belongs to the latter."""
    pooler = getattr(base, "pooler", None)
    if pooler is not None:
        yield pooler


def switch_off_dropout(module: nn.Module) -> None:
    """Switch off dropout where nothing trains, so that frozen features do not vary."""
    set_dropout(module, 0.0)


def set_dropout(module: nn.Module, share: float) -> None:
    """Drop out `share` of what every dropout layer sees."""
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = share


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Return the layers of a model that learn, the first one first."""
    layers = _all_layers(model)
    return layers[:-1] if has_averaging_layer(unwrap_model(model)) else layers


def _all_layers(model: nn.Module) -> list[nn.Module]:
    from torch import nn

    inner = unwrap_model(model)
    depth = getattr(inner.config, "num_hidden_layers", None)
    for part in inner.base_model.modules():
        if isinstance(part, nn.ModuleList) and len(part) == depth:
            return list(part)
    raise ModelError(
        f"the layers of {type(inner).__name__} are not in one list: use method: full or lora"
    )


def _train_last_layers(model: PreTrainedModel, method: LastLayers, processes: int) -> Prepared:
    layers = layers_of(model)
    if method.last_layers > len(layers):
        raise TrainingError(
            f"train.method.last_layers: {method.last_layers} is more than the {len(layers)} layers "
            "of the model: use  method: full"
        )
    if method.gradual and processes > 1:
        raise TrainingError(
            "train.method.gradual changes what trains between epochs, which several processes "
            "cannot do: use one process or gradual: false"
        )
    model.base_model.requires_grad_(False)
    for part in _upper_parts(model.base_model):
        part.requires_grad_(True)
    for layer in layers[: -method.last_layers]:
        switch_off_dropout(layer)
    open_layers = layers[: -method.last_layers - 1 : -1]
    for layer in open_layers:
        layer.requires_grad_(True)
    return Prepared(model, open_layers, method.gradual, method.layer_decay)


def _add_adapters(model: PreTrainedModel, config: Train, method: LoraMethod) -> nn.Module:
    from peft import LoraConfig, TaskType, get_peft_model
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    facts = TASKS[config.task]
    lora = method.lora
    known = model.config.model_type in KNOWN
    targets = list(lora.target_modules) if lora.target_modules else None if known else "all-linear"
    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha or 2 * lora.rank,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=targets,
        task_type=TaskType(facts.adapter_type) if facts.adapter_type else None,
        modules_to_save=_head_names(model) if facts.labelled else None,
        fan_in_fan_out=model.config.model_type == "gpt2",
    )
    try:
        return get_peft_model(model, settings)
    except ValueError as error:
        names = ", ".join(lora.target_modules or ())
        raise TrainingError(
            f"train.method.lora: no module of {type(model).__name__} fits target_modules "
            f"({names}): leave them out, or name linear layers of the model"
        ) from error


def _head_names(model: PreTrainedModel) -> list[str]:
    """Return the names of what is trained whole beside the adapters, and saved with them."""
    base = model.base_model
    above = [
        name
        for name, part in model.named_children()
        if part is not base and any(True for _ in part.parameters())
    ]
    own = {id(part) for part in _upper_parts(base)}
    return above + [name for name, part in base.named_children() if id(part) in own]


def merges_adapters(config: Train) -> bool:
    """Return whether a run saves one whole model: adapters may stay by themselves."""
    return not isinstance(config.method, LoraMethod) or config.method.lora.merge


def merge_adapters(model: nn.Module) -> PreTrainedModel:
    """Return the plain model, adapters merged into its weights."""
    merge = getattr(model, "merge_and_unload", None)
    return cast("PreTrainedModel", merge()) if callable(merge) else unwrap_model(model)
