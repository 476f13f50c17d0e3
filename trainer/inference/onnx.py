"""A model as one ONNX file, written only where it answers as the model does."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import JsonValue

from siftset.schemas.errors import MissingExtraError, ModelError
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.inference.load_model import load_trained
from siftset.trainer.inference.usage_snippets import Usage, read_usage
from siftset.trainer.models.loading import Loaded, quiet_transformers
from siftset.trainer.models.saving import writing_errors

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram
    from transformers import PreTrainedModel

INPUTS: Final = ("input_ids", "attention_mask")

TOLERANCE: Final = 1e-4
"""Largest difference of a logit, relative to the largest logit where that is above 1."""

SHAPES: Final = ((1, 1), (1, 9), (3, 20), (5, 33))
"""Texts and tokens of the batches that the file and the model are both asked."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What was written, and by how much its logits differ from the model's."""

    out: Path
    task: TaskName
    size: int
    """Bytes."""
    difference: float

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        told: dict[str, JsonValue] = {"out": str(self.out), "task": self.task}
        return told | {"bytes": self.size, "difference": self.difference}


def export_onnx(name: str, out: Path, *, revision: str | None = None) -> OnnxFile:
    """Write the logits of a model as ONNX: a folder, an embedded name or a hub name.

    Inputs are input_ids and attention_mask (batch, length), padded on the right. The file is asked
    the same as the model, and appears only where the answers agree; weights beyond 2 GB lie beside
    it in FILE.data. Raises ModelError, OutputError, and MissingExtraError without the packages.
    """
    if any(find_spec(package) is None for package in ("onnx", "onnxruntime", "onnxscript")):
        raise MissingExtraError("writing ONNX", "onnx")
    usage = read_usage(name, revision)
    loaded = load_trained(name, usage.task, revision)
    loaded.model.train(False)
    with writing_errors(out, "write it again"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            draft = Path(folder) / out.name
            with _explain_export_errors(name):
                program = _trace_model(loaded.model)
                program.model.metadata_props.update(_describe_use(loaded, usage))
                program.save(draft)
            difference = _compare_logits(loaded, draft)
            size = sum(part.stat().st_size for part in draft.parent.iterdir())
            for part in sorted(draft.parent.iterdir(), reverse=True):  # the weights come first
                os.replace(part, out.parent / part.name)  # noqa: PTH105
    return OnnxFile(out, usage.task, size, difference)


def _trace_model(model: PreTrainedModel) -> ONNXProgram:
    """Trace a model, with any number of texts and of tokens."""
    import torch

    model.config.use_cache = False  # the states of a decoder's past would be outputs too
    any_size = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    program = torch.onnx.export(
        model,
        kwargs={name: torch.ones((2, 7), dtype=torch.long) for name in INPUTS},
        dynamo=True,
        dynamic_shapes=dict.fromkeys(INPUTS, any_size),
        input_names=INPUTS,
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None
    return program


def _describe_use(loaded: Loaded, usage: Usage) -> dict[str, str]:
    """Return what the file's user must know: the task, the labels, the longest text."""
    told: dict[str, str] = {"task": usage.task}
    if usage.max_length is not None:
        told["max_length"] = str(usage.max_length)
    if TASKS[usage.task].labelled:
        names = {int(place): name for place, name in (loaded.model.config.id2label or {}).items()}
        told["labels"] = json.dumps([names[place] for place in sorted(names)])
    return told


def _compare_logits(loaded: Loaded, draft: Path) -> float:
    """Return the largest difference between the file's logits and the model's, where text is."""
    import torch
    from onnxruntime import InferenceSession

    session = InferenceSession(draft, providers=["CPUExecutionProvider"])
    differences = []
    draw = np.random.default_rng(0)
    padding = int(loaded.model.config.pad_token_id)
    tokens = np.setdiff1d(np.arange(len(loaded.tokenizer)), [padding])
    for texts, length in SHAPES:
        lengths = np.maximum(1, length - 3 * np.arange(texts))
        mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
        ids = np.where(mask == 1, draw.choice(tokens, (texts, length)), padding)
        batch = {"input_ids": ids, "attention_mask": mask}
        with torch.inference_mode():
            wanted = loaded.model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits
        (found,) = session.run(None, batch)
        off = np.abs(found - wanted.numpy())
        scale = max(1.0, float(wanted.abs().max()))
        real = batch["attention_mask"].astype(bool) if off.ndim == 3 else slice(None)
        differences.append(float(off[real].max()) / scale)
    worst = float(np.max(differences))  # not a number where one is not
    if not worst <= TOLERANCE:
        raise ModelError(
            f"the ONNX file of {loaded.name} would differ from the model by {worst:.2g} in a "
            f"logit, at most {TOLERANCE:g} allowed: it was not written; use the model itself"
        )
    return worst


@contextlib.contextmanager
def _explain_export_errors(name: str) -> Iterator[None]:
    """Keep the exporter quiet, and say in one line what it cannot do."""
    from torch.onnx import OnnxExporterError

    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise ModelError(
            f"torch's exporter cannot write {name} as ONNX ({reason}): use the model itself"
        ) from error
    finally:
        log.setLevel(level)
