"""What a model's folder holds, as one digest: another content is another model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_NAMES: Final = (
    "config",
    "tokenizer",
    "vocab",
    "merges",
    "special_tokens",
    "added_tokens",
    "spiece",
)


def digest_model(name: str) -> str | None:
    """Return the digest of the weights, settings and tokenizer in a folder; None for a hub's name.

    Cards, comparisons and curves beside them do not count.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors" or path.name.startswith(_NAMES):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
