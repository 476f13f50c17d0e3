"""Tokens that one process writes and every process maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siftset.schemas.errors import TrainingError
from siftset.trainer.data.chat_counts import ChatCounts
from siftset.trainer.data.tokens import SplitTokens, TokenSpans, map_tokens
from siftset.trainer.models.hardware import Hardware, wait_for_all

if TYPE_CHECKING:
    from siftset.trainer.tasks import Task


def read_once(
    task: Task,
    files: Sequence[Path],
    path: Path,
    sample: int | None,
    hardware: Hardware,
    *,
    held_out: bool = False,
) -> SplitTokens:
    """Tokenize a split in the first process; the others wait and map what it wrote.

    A run that goes on finds the tokens of the one before. Raises TrainingError where a process does
    not see them.
    """
    if hardware.processes == 1:
        return task.read_split(files, path, sample, held_out=held_out)
    note = path.with_suffix(".npz")
    if hardware.rank == 0 and not note.is_file():
        tokens = task.read_split(files, path, sample, held_out=held_out)
        counts = np.asarray([tokens.texts, tokens.cut, tokens.unknown])
        given: dict[str, Any] = {"lengths": tokens.lengths, "counts": counts}
        known: dict[str, Any] = {"labels": tokens.labels}
        if tokens.spans is not None:
            known |= {"span_offsets": tokens.spans.offsets, "span_bounds": tokens.spans.bounds}
        if tokens.chats is not None:
            known["chats"] = np.asarray(json.dumps(tokens.chats.to_json()))
        given |= {name: values for name, values in known.items() if values is not None}
        draft = note.with_name(f".{note.name}")
        with draft.open("wb") as out:
            np.savez(out, **given)
        draft.replace(note)
    wait_for_all(hardware)
    if not note.is_file():
        raise TrainingError(
            f"{note} is not there, expected the tokens that the first process wrote: "
            "put the output folder on storage that every machine sees at the same path"
        )
    with np.load(note, allow_pickle=False) as found:
        texts, cut, unknown = found["counts"].tolist()
        return map_tokens(
            path,
            found["lengths"],
            counts=(texts, cut, unknown),
            labels=found.get("labels"),
            spans=TokenSpans(found["span_offsets"], found["span_bounds"])
            if "span_bounds" in found
            else None,
            chats=ChatCounts.from_json(json.loads(str(found["chats"])))
            if "chats" in found
            else None,
        )
