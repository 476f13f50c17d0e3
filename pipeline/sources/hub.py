"""A dataset of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from siftset.pipeline.sources.added_columns import AddedColumns
from siftset.pipeline.sources.batch import BATCH_ROWS, PART_ROWS, RawBlock
from siftset.pipeline.sources.files import Opened, OpenedFiles
from siftset.pipeline.sources.formats.columnar import declared_types, raw_block
from siftset.pipeline.sources.types import FileTypes
from siftset.schemas.errors import EmptySourceError, MissingExtraError, SourceError
from siftset.schemas.recipe.source import Hub

if TYPE_CHECKING:
    from datasets import Dataset, Features


@dataclass(frozen=True, slots=True)
class HubPart:
    """Some rows of a dataset that follow each other."""

    dataset: Dataset = field(repr=False)
    first: int
    rows: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the rows in batches."""
        for start in range(self.first, self.first + self.rows, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, self.first + self.rows)
            number = start
            for batch in self.dataset.with_format("arrow")[start:stop].to_batches():
                yield raw_block(batch, number)
                number += batch.num_rows


def open_hub(config: Hub) -> OpenedFiles:
    """Fetch one split of a dataset, or find it in the cache of datasets.

    Its identity is the fingerprint that datasets gives it. Raises SourceError, and
    MissingExtraError without the package datasets.
    """
    try:
        from datasets import Dataset, load_dataset
    except ImportError:
        raise MissingExtraError("reading a hub dataset", "hub") from None
    try:
        dataset = load_dataset(
            config.name, config.config, revision=config.revision, split=config.split
        )
    except Exception as error:
        # What datasets and its network layers raise has no common class.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SourceError(
            f"hub dataset {config.name}: cannot be loaded ({reason}); check its name, revision, "
            "split and the network"
        ) from None
    assert isinstance(dataset, Dataset)
    rows = int(dataset.num_rows)
    if not rows:
        raise EmptySourceError(f"hub dataset {config.name}: the split '{config.split}' has no rows")
    stem = "/".join(part for part in (config.config, config.split) if part)
    added = AddedColumns(labels=label_names(dataset.features) if config.label_names else {})
    types = added.change_types(declared_types(dataset.features.arrow_schema))
    stated = FileTypes(f"hub dataset {config.name}/{stem}", types, declared=True)
    digest = f"{dataset._fingerprint} {config.revision or ''}".strip()
    size = int(dataset.dataset_size or 0)
    opened = Opened(stem, stem, stated, dataset_parts(dataset), digest, size)
    return OpenedFiles((opened._replace(added=added),), ())


def dataset_parts(dataset: Dataset) -> tuple[HubPart, ...]:
    """Return the rows of a dataset in parts that feed all cores."""
    rows = int(dataset.num_rows)
    return tuple(
        HubPart(dataset, start, min(PART_ROWS, rows - start)) for start in range(0, rows, PART_ROWS)
    )


def label_names(features: Features) -> dict[str, tuple[str, ...]]:
    """Return the names that the integers of each column of labels stand for."""
    from datasets import ClassLabel

    return {name: tuple(f.names) for name, f in features.items() if isinstance(f, ClassLabel)}
