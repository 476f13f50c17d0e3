"""How a model is fine-tuned and compared. Keys follow transformers' TrainingArguments."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from siftset.schemas.recipe.section import Label, Section, Share, label_text
from siftset.schemas.tasks import TaskName


class LastLayers(Section):
    """Train the head and the last k layers."""

    last_layers: PositiveInt = Field(description="Layers that train, counted from the last one.")
    gradual: bool = Field(
        False, description="Begin with the head alone and unfreeze one more layer every epoch."
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="Each layer further down learns at this share of the rate."
    )


class Lora(Section):
    """Low-rank adapters, merged into the model when it is saved, or saved by themselves."""

    rank: PositiveInt = Field(16, description="Rank of the added matrices.")
    alpha: PositiveFloat | None = Field(
        None, description="Scale of the adapters. Default: twice the rank."
    )
    dropout: Share = Field(0.0, description="Dropout on the input of the adapters.")
    target_modules: tuple[str, ...] | None = Field(
        None, description="Names of the adapted modules. Default: what peft takes for the family."
    )
    merge: bool = Field(
        True,
        description="false: the adapters alone are saved, with the name, revision and digest of "
        "the model they belong to.",
    )


class LoraMethod(Section):
    """Train low-rank adapters only."""

    lora: Lora = Field(description="The adapters; `{}` takes every default.")


Method = Literal["full", "frozen"] | LastLayers | LoraMethod


class Replay(Section):
    """General text mixed into training, against forgetting."""

    path: str = Field(description="A Parquet, JSON Lines or text file with a `text` column.")
    share: float = Field(0.1, gt=0, lt=1, description="Share of the training rows that it makes.")


class Search(Section):
    """Values tried by optuna; the best by validation loss (or `metric_for_best_model`) trains."""

    trials: PositiveInt = Field(8, description="Combinations of values that are tried.")
    learning_rate: tuple[PositiveFloat, ...] = Field(
        (1e-5, 3e-5, 1e-4), description="Learning rates to try."
    )
    batch_size: tuple[PositiveInt, ...] = Field(
        (), description="Batch sizes to try. Default: that of `train`."
    )
    epochs: tuple[PositiveFloat, ...] = Field(
        (), description="Numbers of epochs to try. Default: that of `train`."
    )


class Distributed(Section):
    """Training in several processes that siftset starts itself; each takes batch_size rows."""

    processes: PositiveInt = Field(description="How many processes, one for each GPU.")
    engine: Literal["torchrun", "ray"] = Field(
        "torchrun", description="torchrun: on this machine; ray: on the nodes of a Ray cluster."
    )
    restarts: NonNegativeInt = Field(
        3, description="Times to go on from the last checkpoint after a process was lost."
    )
    accelerate: str | None = Field(
        None,
        description="A file that `accelerate config` wrote, for FSDP and the like; torchrun only.",
    )


Schedule = Literal[
    "constant",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
    "step",
    "exponential",
]

Optimizer = Literal["adamw_torch_fused", "adamw_torch", "adafactor", "sgd"]


class Train(Section):
    """Fine-tuning of a model on a version of the retraining set."""

    task: TaskName = Field(
        description="mlm: fill masks; classification: name a class; causal: continue a text."
    )
    model: str = Field("minilm", description="An embedded name, a folder, or a hub name.")
    revision: str | None = Field(None, description="Revision of a hub name.")
    method: Method = Field(
        "full",
        description="What is trained: all weights, the head alone (frozen), the last layers, or "
        "low-rank adapters.",
    )
    seed: NonNegativeInt | None = Field(
        None, description="Seed of the training. Default: that of the recipe."
    )

    epochs: PositiveFloat = Field(2.0, description="Passes over the training rows.")
    max_steps: PositiveInt | None = Field(None, description="Steps to train; overrides epochs.")
    batch_size: PositiveInt = Field(32, description="Rows of one step on one device.")
    batch_tokens: PositiveInt | None = Field(
        None, description="Tokens of one step on one device, padding included; replaces batch_size."
    )
    gradient_accumulation_steps: PositiveInt = Field(
        1, description="Batches whose gradients make one step."
    )
    learning_rate: PositiveFloat = Field(1e-4, description="Highest rate of the schedule.")
    head_learning_rate: PositiveFloat | None = Field(
        None, description="Rate of what lies above the encoder. Default: learning_rate."
    )
    pooling: Literal["auto", "first", "mean"] = Field(
        "auto",
        description="What a new classification head reads: the first token, or the mean of all "
        "(BERT-like encoders). auto: the mean where the encoder was trained for it.",
    )
    head_start: Literal["auto", "fitted", "random"] = Field(
        "auto",
        description="A new classification head is first fitted on frozen features, or starts at "
        "random. auto: fitted, unless the training rows are very many and the method is not "
        "frozen.",
    )
    freeze_embeddings: bool = Field(False, description="Leave the token embeddings as they are.")
    dropout: Share | None = Field(
        None, description="Dropout of the model. Default: what it was saved with."
    )
    weight_decay: NonNegativeFloat = Field(
        0.01, description="Weight decay, which biases and layer norms are spared."
    )
    optim: Optimizer = Field("adamw_torch_fused", description="The optimizer.")
    lr_scheduler_type: Schedule = Field(
        "linear", description="How the learning rate changes after the warm-up."
    )
    lr_scheduler_kwargs: dict[str, float] = Field(
        default_factory=dict,
        description="Settings of the schedule. step: step_size, gamma; exponential: gamma; "
        "cosine_with_restarts: num_cycles; "
        "polynomial: power; any: min_lr_rate.",
    )
    warmup_steps: NonNegativeFloat = Field(0.0, description="Steps, or a share when below 1.")
    max_grad_norm: NonNegativeFloat = Field(1.0, description="0 does not clip.")
    gradient_checkpointing: bool = Field(
        False, description="Compute activations twice to keep fewer of them in memory."
    )
    full_determinism: bool = Field(False, description="Deterministic kernels, at a cost.")

    eval_strategy: Literal["no", "steps", "epoch"] = Field(
        "epoch", description="When the validation split is evaluated."
    )
    eval_steps: PositiveInt | None = Field(None, description="Needed by eval_strategy: steps.")
    save_steps: PositiveInt | None = Field(
        None, description="Steps between checkpoints. Default: when evaluated."
    )
    save_total_limit: PositiveInt = Field(
        1, description="Checkpoints that are kept, beside the best one."
    )
    logging_steps: PositiveInt | None = Field(
        None, description="Steps between two points of the loss curve. Default: 50 points in all."
    )
    load_best_model_at_end: bool = Field(
        True, description="Keep the weights of the best evaluation, not the last ones."
    )
    metric_for_best_model: str = Field(
        "loss", description="The metric of validation that says which evaluation is best."
    )
    greater_is_better: bool | None = Field(
        None, description="Whether a higher metric is better. Default: not for loss, perplexity."
    )
    early_stopping_patience: PositiveInt | None = Field(
        None, description="Evaluations without a better one after which training stops."
    )
    early_stopping_threshold: NonNegativeFloat = Field(
        0.0, description="By how much a better evaluation must be better."
    )
    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), description="Where losses and metrics are logged too."
    )

    max_length: PositiveInt = Field(128, description="Tokens; longer texts are cut, and counted.")
    line_by_line: bool = Field(
        False, description="One row, one sequence; else texts are joined into max_length chunks."
    )
    train_sampling_strategy: Literal["group_by_length", "random", "sequential"] = Field(
        "group_by_length", description="Order of the training rows; similar lengths pad least."
    )
    max_train_samples: PositiveInt | None = Field(None, description="Train on so many rows only.")
    max_eval_samples: PositiveInt | None = Field(None, description="Evaluate so many rows only.")
    replay: Replay | None = Field(None, description="General text mixed into training.")
    new_rows_weight: PositiveInt = Field(
        1,
        description="How many times a training row counts that the version trained on before "
        "lacks.",
    )

    mlm_probability: float = Field(
        0.15, gt=0, lt=1, description="mlm: share of the tokens that are masked."
    )
    whole_word_mask: bool = Field(False, description="mlm: mask all tokens of a word together.")

    labels: dict[str, str] = Field(
        default_factory=dict, description="Value of the label column: name of the class."
    )
    multi_label: bool = Field(False, description="The label column holds a list of labels.")
    label_separator: str | None = Field(
        None,
        min_length=1,
        description="multi_label: what stands between labels that are one text, such as '|'.",
    )
    class_weights: Literal["balanced"] | dict[Label, PositiveFloat] | None = Field(
        None,
        description="classification: weight of each class in the loss; balanced: by its rarity.",
    )

    template: str | None = Field(
        None,
        description="Text with {column} places; the last one is the answer. Default: by columns.",
    )
    chat_template: str = Field(
        "tokenizer",
        description="How conversations are written: the tokenizer's own template, `chatml`, or the "
        "path of a .jinja file; saved with the model.",
    )
    answer_only_loss: bool = Field(True, description="Learn the answer, not the prompt.")
    learn_turns: Literal["all", "last"] = Field(
        "all", description="Conversations: learn every answer of weight 1, or the last turn alone."
    )

    bf16: bool | Literal["auto"] = Field(
        "auto", description="Mixed precision. auto: where the hardware has it and it pays."
    )
    attn_implementation: Literal["auto", "eager", "sdpa"] = Field(
        "auto", description="Attention of transformers. auto: sdpa where the model has it."
    )
    packing: bool | Literal["auto"] = Field(
        "auto",
        description="mlm and causal: rows joined end to end without padding, each attending to "
        "itself. auto: on CUDA in bf16, for models without dropout of attention.",
    )
    torch_compile: bool = Field(
        False, description="Compile the model by torch: slow to start, faster on a GPU."
    )
    threads: PositiveInt | None = Field(
        None,
        description="Threads on a CPU. Default: the cores it may use, fewer for a narrow model.",
    )
    distributed: Distributed | None = Field(None, description="Train in several processes.")

    folds: int | None = Field(None, ge=2, le=20, description="k-fold cross-validation.")
    search: Search | None = Field(
        None, description="Hyperparameter search before the training (`siftset[search]`)."
    )

    @field_validator(
        "labels", mode="before", json_schema_input_type=dict[str, str | bool | int | float]
    )
    @classmethod
    def _names_as_text(cls, value: object) -> object:
        if isinstance(value, dict):
            return {label_text(key): label_text(name) for key, name in value.items()}
        return value

    @field_validator("chat_template")
    @classmethod
    def _is_template(cls, value: str) -> str:
        written = "{{" in value or "{%" in value
        if value not in ("tokenizer", "chatml") and not value.endswith(".jinja") and not written:
            raise ValueError(
                f"'{value}' is no chat template: expected tokenizer, chatml, or the path of a file "
                "that ends in .jinja"
            )
        return value


class Compare(Section):
    """What the model before and after is asked."""

    prompts: tuple[str, ...] = Field(
        (), description="mlm: sentences with [MASK] or <mask>; causal: questions."
    )
    prompts_file: str | None = Field(
        None,
        description="More prompts: a text file (one a line), JSON Lines (text, target, against), "
        "or the name of a shipped file.",
    )
    top_k: PositiveInt = Field(5, description="mlm: likeliest tokens shown for every mask.")
    bars: PositiveInt = Field(10, description="Likeliest tokens kept of every mask.")
    positive: str | None = Field(
        "positive_probe", description="Word list whose mass is measured: a file, or a shipped one."
    )
    negative: str | None = Field(
        "negative_probe", description="Word list whose mass is measured: a file, or a shipped one."
    )
    golden: str | None = Field(
        None, description="Frozen rows (text with label or answer): Parquet, CSV or JSON Lines."
    )
    general: str | None = Field(
        None,
        description="General text for the check of forgetting: text, JSON Lines, Parquet, or the "
        "name of a shipped file, `general`.",
    )
    max_general_ppl_increase: NonNegativeFloat | None = Field(
        None, description="Gate: largest rise of perplexity on general text, as a share."
    )
    max_rows: PositiveInt | None = Field(
        None, description="Rows of the held-out split that are asked; default: all."
    )
    resamples: PositiveInt = Field(1000, description="Bootstrap resamples of every interval.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Level of every interval.")
    slices: tuple[str, ...] = Field(
        ("length", "source"), description="Length, source, signals or other columns."
    )
    group: str | None = Field(
        None,
        description="A column whose equal values are drawn together in a resample, such as the "
        "author of several rows; rows of equal text and of one `split.group` always are.",
    )
    baselines: tuple[Literal["majority", "tfidf", "probe"], ...] = Field(
        ("majority", "tfidf"),
        description="classification: the majority class, logistic regression on TF-IDF, and a "
        "linear probe on the frozen encoder.",
    )
    metric: str | None = Field(
        None,
        description="The headline. Default: `refresh.promote_metric`, else what promotion judges "
        "by: `macro_f1` of classes, `loss` of words.",
    )
    positive_label: Label | None = Field(
        None, description="The class that precision and recall of two classes are of."
    )
    arms: bool = Field(
        False,
        description="Did the curation help: after training make the proof of `siftset proof`.",
    )
    examples: NonNegativeInt = Field(20, description="Fixed and newly broken rows shown of each.")
    generated: NonNegativeInt = Field(100, description="Held-out questions answered and measured.")
    answers: NonNegativeInt = Field(10, description="Questions answered side by side.")
    max_new_tokens: PositiveInt = Field(
        64, description="causal: maximum length of a generated answer, in tokens."
    )
    outside: tuple[str, ...] = Field((), description="Probes outside the domain.")
