"""Where training data came from, carried into the model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lineage:
    """The version of the retraining set that a model was trained on."""

    recipe: str
    recipe_hash: str
    set_path: str
    version: int | None
    run_id: str
    formula: str
    formula_hash: str
    rows: dict[str, int] = field(default_factory=dict)
    """Rows by split."""
    leaks: dict[str, str] = field(default_factory=dict)
    """How many rows of a split another one holds too, as the run that made the set found."""
    tags: tuple[str, ...] = ()
    """The names of the version at that time."""

    @property
    def named_version(self) -> str:
        """The version with its names, such as `3 (gold)`."""
        return f"{self.version} ({', '.join(self.tags)})" if self.tags else str(self.version)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Parquet files by split (train, validation, test), and where they came from.

    Every file has the columns `text`, `row_id` and, for classification, `label`; other columns of
    the source stay available (pairs such as question and answer, slices).
    """

    files: dict[str, tuple[Path, ...]]
    lineage: Lineage
    names: dict[str, str] = field(default_factory=dict)
    """What the set calls the columns of the source that it stores by another name."""
    group: tuple[str, ...] = ()
    """Columns, or paths into them, whose equal values stay together in every split."""
