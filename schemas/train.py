"""How a model is fine-tuned and compared. Keys follow transformers' TrainingArguments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from schemas.section import Section, Share


class LastLayers(Section):
    """Train the head and the last k layers."""

    last_layers: PositiveInt


class Lora(Section):
    """Low-rank adapters, merged when the model is saved."""

    rank: PositiveInt = 16
    alpha: PositiveFloat | None = Field(None, description="Default: twice the rank.")
    dropout: Share = 0.0


class LoraMethod(Section):
    """Train low-rank adapters only."""

    lora: Lora


Method = Literal["full", "frozen"] | LastLayers | LoraMethod


class Train(Section):
    """Fine-tuning of a model on a version of the retraining set."""

    task: Literal["mlm", "classification", "causal"]
    model: str = Field("minilm", description="An embedded name, a folder, or a hub name.")
    revision: str | None = Field(None, description="Revision of a hub name.")
    epochs: PositiveFloat = 2.0
    max_steps: PositiveInt | None = Field(None, description="Overrides epochs.")
    learning_rate: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 0.01
    batch_size: PositiveInt = 32
    gradient_accumulation_steps: PositiveInt = 1
    warmup_steps: NonNegativeFloat = Field(0.0, description="Steps, or a share when below 1.")
    lr_scheduler_type: str = "linear"
    max_grad_norm: NonNegativeFloat = 1.0
    max_length: PositiveInt = Field(128, description="Tokens; longer texts are cut, and counted.")
    mlm_probability: Share = 0.15
    method: Method = "full"
    seed: NonNegativeInt | None = Field(None, description="Default: the recipe's seed.")


class Compare(Section):
    """What the model before and after is asked."""

    prompts: tuple[str, ...] = ()
    top_k: PositiveInt = 5
    positive: str | None = Field(None, description="Word list whose mass is measured.")
    negative: str | None = Field(None, description="Word list whose mass is measured.")
