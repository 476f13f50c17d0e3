"""Which labels of a source look wrong: models fitted and asked by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources import Sources, open_sources
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.signals.evaluation.faults import excerpt
from siftset.signals.label_doubt.confident_learning import find_label_issues, score_doubt
from siftset.signals.label_doubt.fold_models import (
    FoldModels,
    LabelQuality,
    assess_labels,
    fit_fold_models,
    group_of,
)
from siftset.signals.labels import labels_as_text

SHOWN: Final = 10
"""Rows and pairs of classes that are printed."""
_ROWS: Final = pl.Schema(
    {
        "row_id": pl.String(),
        "label": pl.String(),
        "likelier": pl.String(),
        "label_doubt": pl.Float64(),
        "looks_wrong": pl.Boolean(),
        "text": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class DoubtResult:
    """What was found, and where it lies."""

    quality: LabelQuality
    first: pl.DataFrame
    """The most doubtful rows, with the columns of the file of rows."""
    models: Path
    rows: Path
    group: str | None

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        share = self.quality.wrong / max(1, self.quality.rows)
        yield f"labels    {self.quality.rows:,} judged by models that were not fitted on them"
        yield f"wrong     {self.quality.wrong:,} look wrong, {share:.2%}"
        for pair in self.quality.pairs[:SHOWN]:
            yield f"  {pair.label} that looks like {pair.other:<20}{pair.rows:>9,}"
        yield "the most doubtful"
        for row in self.first.iter_rows(named=True):
            told = f"{row['label']}, rather {row['likelier']}"
            yield f"  {row['label_doubt']:.2f}  {told:<26}{excerpt(row['text'], 90)}"
        yield f"rows      {self.rows}"
        yield f"models    {self.models}"
        group = "" if self.group is None else f", group: {self.group}"
        yield (
            "to drop such rows, add to the recipe:  signals: {doubtful: {label_doubt: "
            f"{{models: {self.models.name}{group}, min: 0.9}}}}}}  and  keep: ... & ~doubtful"
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {
            "rows": self.quality.rows,
            "wrong": self.quality.wrong,
            "pairs": [dict(pair._asdict()) for pair in self.quality.pairs],
            "first": [dict(row) for row in self.first.iter_rows(named=True)],
            "file": str(self.rows),
            "models": str(self.models),
        }


def find_doubtful_labels(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    progress: Progress | None = None,
) -> DoubtResult:
    """Fit models on the labels of a recipe's source and judge the rows that each model did not see.

    Rows of one `split.group`, or else copies of a text, stay in one fold. Writes every row with its
    score to NAME.doubt.parquet, and what the signal `label_doubt` reads to NAME.doubt.safetensors,
    beside the recipe or into the folder `out`. Removes nothing. Raises a SiftsetError.
    """
    shown = progress or Silent()
    loaded = load_recipe(recipe, overrides=overrides, uses={"source", "prepare", "split"})
    sources = open_sources(loaded.recipe, loaded.folder)
    if "label" not in sources.schema:
        raise SourceError(
            "the source has no column 'label': name the column of labels with  label: COLUMN  in "
            f"the source, one of: {', '.join(sources.schema)}"
        )
    group = _find_group(loaded, sources)
    with shown.stage("fit models of the labels"):
        models = fit_fold_models(lambda: _read_labelled(sources, group), group)
    with shown.stage("judge the rows that each model did not see"):
        quality = assess_labels(models, lambda: _read_labelled(sources, group))
    folder = out or (loaded.path.parent if loaded.path.is_file() else Path.cwd())
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{loaded.recipe.name}.doubt.safetensors"
    rows = place.with_suffix(".parquet")
    with shown.stage("write the rows"), atomic_write(rows) as draft:
        first = _write_rows(models, _read_labelled(sources, group), draft)
    with atomic_write(place) as draft:
        models.save(draft, quality)
    return DoubtResult(quality, first, place, rows, group)


def _find_group(loaded: LoadedRecipe, sources: Sources) -> str | None:
    named = loaded.recipe.split.groups
    if named and (len(named) > 1 or named[0] not in sources.schema):
        raise RecipeError(
            f"split.group: doubt knows groups of one column, not {', '.join(named)}: make them one "
            "in prepare.columns, or leave the group out with  --set split.group=null"
        )
    return named[0] if named else None


def _read_labelled(sources: Sources, group: str | None) -> Iterator[pl.DataFrame]:
    for batch in sources.read_batches():
        yield batch.frame.select(
            "row_id",
            "text",
            label=labels_as_text(pl.col("label")),
            group=group_of(pl.col("text"), group),
        ).drop_nulls()


def _write_rows(models: FoldModels, frames: Iterator[pl.DataFrame], path: Path) -> pl.DataFrame:
    """Write every row with its score, in the source's order; return the most doubtful ones."""
    import pyarrow.parquet as pq

    first = pl.DataFrame(schema=_ROWS)
    codes = {label: code for code, label in enumerate(models.classes)}
    with pq.ParquetWriter(path, first.to_arrow().schema, compression="zstd") as writer:
        for frame in frames:
            probabilities = models.ask(frame)
            labels = frame["label"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
            wrong, _ = find_label_issues(probabilities, labels, models.thresholds)
            others = probabilities.copy()
            others[np.arange(len(labels)), labels] = -1
            told = frame.select(
                "row_id",
                "label",
                likelier=pl.Series([models.classes[at] for at in others.argmax(axis=1)]),
                label_doubt=pl.Series(score_doubt(probabilities, labels)),
                looks_wrong=pl.Series(wrong),
                text="text",
            ).cast(_ROWS)
            writer.write_table(told.to_arrow())
            first = pl.concat([first, told]).sort("label_doubt", descending=True).head(SHOWN)
    return first
