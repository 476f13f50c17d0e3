"""Models by name: embedded, a local folder, or a hub name with its revision. Safetensors only."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from siftset.schemas.errors import MissingExtraError, ModelError
from siftset.schemas.model_files import ADAPTER_CONFIG, digest_model_files
from siftset.schemas.plurals import format_count
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.models.embedded import EMBEDDED, compose_head, find_embedded

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with a head for its task, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str | None = None
    untrained_head: tuple[str, ...] = ()
    """Weights that no file held: they are newly initialised, and what they say is noise."""
    padding_side: str = "right"
    """Where the tokenizer pads once it is saved; siftset pads on the right."""


BASE: Final = "base.json"
"""What says which model the adapters of a folder belong to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's files are."""

    path: str
    revision: str | None
    local: bool


def locate_model(name: str, revision: str | None = None) -> Place:
    """Find a model by its name; raise ModelError unless it can be one."""
    if name in EMBEDDED:
        return Place(str(find_embedded()), None, True)
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{name} is not a model: it has no config.json; expected the folder of a model "
                "saved by transformers or by siftset train"
            )
        if not any(folder.glob("*.safetensors")):
            pickled = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
            held = (
                f"only {pickled[0].name}, a pickle that can run code" if pickled else "no weights"
            )
            raise ModelError(
                f"{name} is refused: it holds {held}; expected model.safetensors: convert it with "
                "save_pretrained in a place you trust"
            )
        return Place(str(folder), None, True)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(
            f"there is no model folder {name}: expected a folder with config.json and "
            "safetensors, an embedded name (minilm) or a hub name"
        )
    return _locate_on_hub(name, revision)


def _locate_on_hub(name: str, revision: str | None) -> Place:
    """Ask the hub once which commit a revision is; what is already cached needs no hub."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
        return Place(name, revision, True)
    try:
        found = HfApi().model_info(name, revision=revision, timeout=10)
    except Exception as error:  # the client's errors are many: HTTP, offline mode, name rules
        at = f" at revision {revision}" if revision else ""
        raise ModelError(
            f"the hub model '{name}'{at} cannot be reached ({type(error).__name__}): check its "
            "name, its revision and the network, or name a local folder or minilm"
        ) from error
    files = [item.rfilename for item in found.siblings or ()]
    if not any(file.endswith(".safetensors") for file in files):
        raise ModelError(
            f"the hub model '{name}' is refused: it has no safetensors, only formats that can "
            "run code; choose a revision that has them"
        )
    return Place(name, found.sha or revision, False)


def load(
    task: TaskName,
    name: str,
    *,
    revision: str | None = None,
    labels: Sequence[str] = (),
    seed: int = 0,
    attention: str | None = None,
) -> Loaded:
    """Load a model for a task, fp32, on the CPU.

    Weights that the files lack are initialised under `seed` and named in `untrained_head`.
    """
    folder = Path(name).expanduser()
    if holds_adapters(folder):
        return _load_adapter(task, folder, labels=labels, seed=seed, attention=attention)
    place = locate_model(name, revision)
    with _loading_errors(name), quiet_transformers():
        tokenizer = load_tokenizer(place)
        options: dict[str, object] = {} if attention is None else {"attn_implementation": attention}
        if TASKS[task].labelled:
            options |= {
                "num_labels": len(labels),
                "id2label": dict(enumerate(labels)),
                "label2id": {label: i for i, label in enumerate(labels)},
                "ignore_mismatched_sizes": True,
            }
        model, fresh = _from_pretrained(task, place, options, seed)
    if TASKS[task].one_way and sees_later_tokens(model):
        raise ModelError(
            f"the model '{name}' is a {model.config.model_type} model that sees later tokens too: "
            f"task {task} would only copy what it is to predict; use task: mlm, or a decoder"
        )
    drop_unknown_masks(model)
    composed = TASKS[task].fills_masks and name in EMBEDDED and compose_head(model)
    side = _choose_saved_side(task, tokenizer)
    _agree_on_padding(model, tokenizer)
    return Loaded(model, tokenizer, name, place.revision, () if composed else fresh, side)


def _choose_saved_side(task: TaskName, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return where a saved tokenizer is to pad, so that batches are answered as they were here.

    Padding on the left moves the positions that classes and masks are read by; answers that are
    generated go on at the right end, so those models pad where their makers had it.
    """
    return str(tokenizer.padding_side) if TASKS[task].one_way else "right"


def holds_adapters(folder: Path) -> bool:
    """Return whether a folder holds adapters alone, without the weights of a model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (
        (folder / "model.safetensors").is_file()
        or (folder / "model.safetensors.index.json").is_file()
    )


def _load_adapter(
    task: TaskName, folder: Path, *, labels: Sequence[str], seed: int, attention: str | None
) -> Loaded:
    """Load the base model of peft's adapters and merge them into it."""
    from peft import PeftModel

    with _loading_errors(str(folder)):
        written = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        base, revision = str(written.get("base_model_name_or_path") or ""), None
        if (folder / BASE).is_file():
            said = json.loads((folder / BASE).read_text(encoding="utf-8"))
            base, revision = str(said["name"]), said["revision"]
            _check_base(folder, base, said.get("model"))
    try:
        loaded = load(task, base, revision=revision, labels=labels, seed=seed, attention=attention)
    except ModelError as error:
        raise ModelError(
            f"{folder} holds adapters of '{base}', which cannot be loaded ({error}): merge them "
            "first, with peft's merge_and_unload, and name the merged folder"
        ) from error
    with _loading_errors(str(folder)), quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(loaded.model, folder).merge_and_unload()
        if (folder / "tokenizer_config.json").is_file():
            tokenizer = load_tokenizer(Place(str(folder), None, local=True))
            side = _choose_saved_side(task, tokenizer)
            _agree_on_padding(model, tokenizer)
            loaded = replace(loaded, tokenizer=tokenizer, padding_side=side)
        if (folder / "generation_config.json").is_file():
            model.generation_config = _read_generation(folder)
    head = () if written.get("modules_to_save") else loaded.untrained_head
    return replace(loaded, model=model, name=str(folder), untrained_head=head)


def _check_base(folder: Path, base: str, digest: str | None) -> None:
    """Raise ModelError where the model that adapters belong to is another one by now."""
    place = Path(base).expanduser()
    if digest and place.is_dir() and digest_model_files(place) != digest:
        raise ModelError(
            f"{folder} holds adapters of '{base}', whose files have changed since: they would "
            "answer as nobody measured; put the old files back, or train again"
        )


def _read_generation(folder: Path) -> GenerationConfig:
    from transformers import GenerationConfig

    settings: GenerationConfig = GenerationConfig.from_pretrained(folder)
    return settings


def sees_later_tokens(model: PreTrainedModel) -> bool:
    """Say whether another last token changes what a model says of the tokens before it."""
    import torch

    vocabulary = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[index]
    ids = torch.randint(vocabulary, (2, 6), generator=torch.Generator().manual_seed(0))
    ids[1, :-1] = ids[0, :-1]
    ids[1, -1] = (ids[0, -1] + 1) % vocabulary
    training = model.training
    torch.nn.Module.eval(model)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    model.train(training)
    moved = (logits[0] - logits[1]).abs()
    return bool(moved[:-1].max() > 1e-4 * moved[-1].max())


def drop_unknown_masks(model: PreTrainedModel) -> None:
    """Let a model that has no attention mask (FNet) be called as the others are."""
    if "attention_mask" in inspect.signature(model.forward).parameters:
        return

    def drop(_: object, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        return given, {name: value for name, value in named.items() if name != "attention_mask"}

    for part in (model, model.base_model):
        part.register_forward_pre_hook(drop, with_kwargs=True)


def load_tokenizer(place: Place) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a located model."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        place.path, revision=place.revision, local_files_only=place.local, trust_remote_code=False
    )
    return tokenizer


def _from_pretrained(
    task: TaskName, place: Place, options: Mapping[str, object], seed: int
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    import torch
    import transformers

    if TASKS[task].fills_masks:
        config = transformers.AutoConfig.from_pretrained(
            place.path,
            revision=place.revision,
            local_files_only=place.local,
            trust_remote_code=False,
        )
        if type(config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING:
            raise ModelError(
                f"{place.path} is a {config.model_type} model, which cannot fill masks: use "
                "task: causal, or an encoder such as minilm"
            )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, info = getattr(transformers, TASKS[task].auto_class).from_pretrained(
            place.path,
            revision=place.revision,
            local_files_only=place.local,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **options,
        )
    mismatched = [str(item[0]) for item in info.get("mismatched_keys", ())]
    return model, tuple(sorted([*map(str, info["missing_keys"]), *mismatched]))


def _agree_on_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give tokenizer and model the same pad token; decoders without one take their end token."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ModelError(
                f"the tokenizer of {model.config._name_or_path} has neither a pad nor an end "
                "token: set pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    model.config.pad_token_id = tokenizer.pad_token_id
    rows = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[index]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of {model.config._name_or_path} knows "
            f"{format_count(len(tokenizer), 'token')}, its model only {rows:,}: they do not "
            "belong together"
        )


@contextlib.contextmanager
def _loading_errors(name: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in ("torch", "transformers"):
            raise MissingExtraError("training", "train") from error
        raise ModelError(_one_line(name, error)) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(_one_line(name, error)) from error


def _one_line(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    short = reason if len(reason) <= 200 else reason[:197] + "..."
    return f"the model '{name}' cannot be loaded: {short}; expected a transformers model folder"


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from logging and drawing bars; what matters is said by siftset."""
    from transformers.utils import logging as hf_logging

    level, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(logging.CRITICAL)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
