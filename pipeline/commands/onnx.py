"""A model as an ONNX file, for programs that have no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siftset.pipeline.model_registry.registry import locate_model
from siftset.schemas.errors import OutputError

if TYPE_CHECKING:
    from siftset.trainer.inference.onnx import OnnxFile


def write_onnx(model: str, out: Path) -> OnnxFile:
    """Write a model's logits as ONNX and check that they are the model's.

    `model` is a folder, an embedded name or a hub name. Raises ModelError, OutputError, and
    MissingExtraError without the packages.
    """
    from siftset.trainer.train import require_extra

    if out.suffix != ".onnx":
        raise OutputError(
            f"{out} ends in '{out.suffix}', expected .onnx: name a file such as m.onnx"
        )
    require_extra()
    from siftset.trainer.inference.onnx import export_onnx

    return export_onnx(locate_model(model), out)
