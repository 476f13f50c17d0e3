"""Writing what a run leaves behind: whole, or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.content import identify_base
from siftset.trainer.models.loading import BASE, Loaded, quiet_transformers

if TYPE_CHECKING:
    from torch import nn


ADAPTER: Final = "adapter"
"""The folder below a model's that holds its low-rank adapters, beside the merged weights."""

_TORCH_WRITER: Final = "inline_container.cc"
"""What torch's RuntimeErrors name when a file of theirs cannot be written."""


@contextlib.contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` that becomes `out` if all goes well.

    A folder that lay at `out` is replaced at the end; a failure leaves it as it was.
    """
    work = out.parent / f".{out.name}.new"
    old = out.parent / f".{out.name}.old"
    with writing_errors(out):
        for left in (work, old):
            shutil.rmtree(left, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield work
            if out.exists():
                os.replace(out, old)  # noqa: PTH105
            os.replace(work, out)  # noqa: PTH105
        finally:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def writing_errors(place: Path, then: str = "train again (it resumes)") -> Iterator[None]:
    """Turn a full disk or a folder without permission into one line."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        if isinstance(error, RuntimeError):  # torch says no more than that bytes are missing
            if _TORCH_WRITER not in str(error):
                raise
            reason = "No space left on device, or the device refused"
        raise OutputError(
            f"{place} cannot be written: {reason}; no half-written model was left: make "
            f"room or choose another output, then {then}"
        ) from error


def save_model(
    loaded: Loaded, folder: Path, *, max_length: int, adapter: Path | None = None
) -> None:
    """Save weights as safetensors, configuration and tokenizer.

    Of a model whose `adapter` is given, only that is saved in place of the weights. The tokenizer
    cuts where training cut and pads where answers do not change by it, and nothing names code of
    the base model's repository: elsewhere the model answers as it does here.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    if getattr(model.config, "auto_map", None) is not None:
        del model.config.auto_map
    tokenizer.init_kwargs.pop("auto_map", None)
    before = tokenizer.model_max_length, tokenizer.padding_side
    tokenizer.model_max_length, tokenizer.padding_side = max_length, loaded.padding_side
    try:
        with quiet_transformers():
            if adapter is None:
                model.save_pretrained(folder)
            else:
                model.config.save_pretrained(folder)
                if model.can_generate() and model.generation_config is not None:
                    model.generation_config.save_pretrained(folder)
                for path in sorted(adapter.iterdir()):
                    shutil.move(path, folder / path.name)
            tokenizer.save_pretrained(folder)
    finally:
        tokenizer.model_max_length, tokenizer.padding_side = before
    mask = os.umask(0)
    os.umask(mask)
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o666 & ~mask)  # it is written readable by its owner alone


def save_adapter(model: nn.Module, folder: Path) -> None:
    """Save the low-rank adapters of a model that has some, as peft loads them."""
    if hasattr(model, "peft_config"):
        with quiet_transformers():
            model.save_pretrained(folder)  # type: ignore[operator]


def save_base(config: Train, loaded: Loaded, folder: Path) -> None:
    """Write which model adapters belong to: its name, its revision and the digest of its files."""
    base = {"name": config.model, "revision": loaded.revision, **identify_base(config)}
    save_json({**base}, folder / BASE)


def save_json(value: JsonValue, path: Path) -> None:
    """Write JSON; the file appears whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105


def save_curves(history: Sequence[Mapping[str, float]], folder: Path) -> None:
    """Write the log of a run as curves.json and curves.csv, one line for each step logged."""
    names = list(dict.fromkeys(name for row in history for name in row))
    save_json([dict(row) for row in history], folder / "curves.json")
    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
