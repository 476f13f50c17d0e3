"""What a base model is known by: its content, so that another content is another model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from siftset.schemas.errors import ModelError
from siftset.schemas.model_files import digest_model_files
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.embedded import EMBEDDED
from siftset.trainer.models.loading import locate_model


def identify_base(config: Train) -> dict[str, str]:
    """Return digests of what lies outside the set and decides the weights of a training.

    A model folder is known by the files that loading may read, a hub's name by its commit, an
    embedded model by its name, which is pinned; text to replay by its file. Raises ModelError for
    a folder that cannot be read.
    """
    found: dict[str, str] = {}
    folder = Path(config.model).expanduser()
    try:
        if config.model not in EMBEDDED:
            is_folder = folder.is_dir()
            found["model"] = digest_model_files(folder) if is_folder else _find_commit(config)
        if config.replay is not None and Path(config.replay.path).is_file():
            with Path(config.replay.path).open("rb") as file:
                found["replay"] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"what train names cannot be read: {error.filename}: {error.strerror or error}"
        ) from error
    return found


def _find_commit(config: Train) -> str:
    """Return the commit of a hub's name, that of the cached copy if there is one, else ""."""
    from huggingface_hub import try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(config.model, "config.json", revision=config.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        return locate_model(config.model, config.revision).revision or ""
    except (ModelError, ValueError):
        return ""  # without a network, or no hub's name: loading says what is wrong with it
