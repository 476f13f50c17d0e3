"""What models said of the labels of an input, kept under a key of its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue, ValidationError

from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.label_metrics import DoubtfulLabels, LabelDoubts
from siftset.schemas.results.metrics_part import Example
from siftset.signals.evaluation.faults import excerpt
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.label_doubt.confident_learning import DoubtfulPair, LabelQuality
from siftset.signals.label_doubt.fold_models import FoldModels
from siftset.signals.label_votes.voters import Voters

FOLDER: Final = "doubt"
PAIRS: Final = 10
"""Pairs of classes that a report names."""
_MEANING: Final = 1
"""Raised when the same rows give other findings than before."""


def doubt_key(
    recipe: Recipe,
    inputs: Sequence[Mapping[str, JsonValue]],
    voters: Voters | None,
    changes: Sequence[str],
) -> str:
    """Return what equal findings share: the input, how it is read, its labels and its groups.

    `changes` are fingerprints of what people changed: decisions of a review, fixed rows.
    """
    read = recipe.model_dump(mode="json", include={"source", "prepare"}, exclude_defaults=True)
    return json_digest(
        {
            "inputs": [dict(entry) for entry in inputs],
            "read": read,
            "votes": None if voters is None else voters.hash,
            "group": list(recipe.split.groups),
            "changes": [one for one in changes if one],
            "meaning": _MEANING,
        }
    )


def find_label_doubts(
    output: Path, key: str, signals: Iterable[SignalSpec], folder: Path
) -> LabelDoubts | None:
    """Return what is known of the labels of a run whose findings have a key.

    That is what `siftset doubt` found of this very input; without it, what the models of a signal
    `label_doubt`, in the recipe's folder, say of the rows they learned; None without either.
    """
    found = read_findings(output, key)
    if found is not None:
        return found
    for signal in signals:
        if signal.defined == "label_doubt":
            models = folder / str(signal.parameters["models"])
            return describe_quality(FoldModels.load(models)[1], of=f"the rows of {models.name}")
    return None


def describe_quality(
    quality: LabelQuality, *, of: str, file: str = "", examples: pl.DataFrame | None = None
) -> LabelDoubts:
    """Return what a report shows: the commonest pairs of classes, with `examples` of each."""
    return LabelDoubts(
        rows=quality.rows,
        wrong=quality.wrong,
        pairs=tuple(
            DoubtfulLabels(
                label=pair.label,
                other=pair.other,
                rows=pair.rows,
                examples=tuple(_describe_rows(examples, pair)),
            )
            for pair in quality.pairs[:PAIRS]
        ),
        file=file,
        of=of,
    )


def _describe_rows(rows: pl.DataFrame | None, pair: DoubtfulPair) -> Iterator[Example]:
    if rows is None or rows.is_empty():
        return
    for row in rows.filter(label=pair.label, likelier=pair.other).to_dicts():
        text, doubt = excerpt(row["text"], 160), f"{row['label_doubt']:.2f}"
        yield Example(row_id=row["row_id"], value=text, reason=doubt)


def store_findings(output: Path, key: str, found: LabelDoubts) -> None:
    """Keep findings under an output folder."""
    path = output / FOLDER / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_findings(output: Path, key: str) -> LabelDoubts | None:
    """Return the findings of a key; None where there are none, or they are of another siftset."""
    try:
        return LabelDoubts.model_validate_json((output / FOLDER / f"{key}.json").read_bytes())
    except (OSError, ValidationError):
        return None
