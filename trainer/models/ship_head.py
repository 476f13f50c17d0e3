"""Make the file that ships of a masked LM trained on the embedded encoder.

python -m siftset.trainer.models.ship_head MODEL data/models/minilm/head.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

from siftset.schemas.errors import ModelError
from siftset.trainer.models.embedded import changed_weights, find_embedded
from siftset.trainer.models.loading import quiet_transformers


def ship_head(model: Path, out: Path) -> int:
    """Write what training changed to `out`; return its size in bytes."""
    from safetensors.torch import save_file
    from transformers import AutoModel, AutoModelForMaskedLM

    with quiet_transformers():
        trained = AutoModelForMaskedLM.from_pretrained(model, use_safetensors=True)
        encoder = AutoModel.from_pretrained(find_embedded(), use_safetensors=True)
    shipped = changed_weights(trained, encoder)
    if any(name.endswith("word_embeddings.weight.delta") for name in shipped):
        raise ModelError(f"{model} has other embeddings: train with  train.freeze_embeddings: true")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in shipped.items()}, out)
    return out.stat().st_size


if __name__ == "__main__":
    size = ship_head(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(f"{sys.argv[2]}: {size / 1e6:.1f} MB\n")
