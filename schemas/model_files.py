"""The files of a model's folder that loading it may read: a model is known by their content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

ADAPTER_CONFIG: Final = "adapter_config.json"
"""What a folder of peft's low-rank adapters holds."""
TEMPLATES: Final = "additional_chat_templates"

# Weights in other formats are never read: only safetensors are.
_OTHER_ENDINGS: Final = frozenset(
    {".md", ".html", ".png", ".svg", ".csv", ".parquet", ".bin", ".pt", ".pth", ".h5", ".onnx",
     ".msgpack", ".gguf", ".ot"}
)  # fmt: skip
_WRITTEN_BESIDE: Final = frozenset(
    {"compare.json", "curves.json", "training.json", "siftset.json"}
)  # fmt: skip
"""What training and comparing leave beside a model."""


def list_model_files(folder: Path) -> list[Path]:
    """List the weights, settings, tokenizer and templates that a folder stands for.

    Adapters are a model together with the base model that their settings name: the files of that
    one follow, where it is a folder.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    place: Path | None = folder
    while place is not None and place.resolve() not in seen:
        seen.add(place.resolve())
        found += [
            path
            for path in sorted([*place.iterdir(), *(place / TEMPLATES).glob("*")])
            if path.is_file()
            and path.suffix not in _OTHER_ENDINGS
            and path.name not in _WRITTEN_BESIDE
            and not path.name.startswith(".")
        ]
        place = _find_base_folder(place)
    return found


def _find_base_folder(folder: Path) -> Path | None:
    """Find the folder of the model that adapters belong to; None where they name none."""
    try:
        settings = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        named = Path(str(settings["base_model_name_or_path"])).expanduser()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return named if named.is_dir() else None


def digest_model_files(folder: Path) -> str:
    """Hash the names and contents of the files that loading a model may read."""
    digest = hashlib.sha256()
    for path in list_model_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
