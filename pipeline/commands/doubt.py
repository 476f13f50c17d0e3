"""Which labels of a source look wrong: models fitted and asked by cross-validation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.table import DecisionTable, make_table
from siftset.pipeline.profile.history import METRICS, read_history, read_metrics
from siftset.pipeline.run.changed_rows import change_rows
from siftset.pipeline.run.doubt_findings import describe_quality, doubt_key, store_findings
from siftset.pipeline.run.job import SECTIONS, load_job
from siftset.pipeline.run.label_votes import bind_voters
from siftset.pipeline.run.released_rows import read_fixes
from siftset.pipeline.sources import Shard, Sources, open_sources
from siftset.pipeline.stages.publish import render_report, write_metrics
from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import RunFolder
from siftset.pipeline.storage.table import Store
from siftset.schemas.conversations import schema_with_views, with_views
from siftset.schemas.errors import RecipeError, SiftsetError, SourceError, name_some
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.schemas.results.label_metrics import LabelDoubts
from siftset.signals.evaluation.faults import excerpt
from siftset.signals.label_doubt.confident_learning import LabelQuality
from siftset.signals.label_doubt.fold_models import fit_fold_models, group_of
from siftset.signals.label_doubt.judged_labels import JudgedLabels
from siftset.signals.label_votes.voters import COLUMNS, Voters
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
    group: tuple[str, ...]

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
        group = f", group: [{', '.join(self.group)}]" if self.group else ""
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
    """Fit models on the labels of a recipe's source, and ask each of rows it did not see.

    Rows of one `split.group`, or else copies of a text, stay in one fold. Writes every row with its
    score to NAME.doubt.parquet, and what the signal `label_doubt` reads to NAME.doubt.safetensors,
    beside the recipe or into the folder `out`. The report of the current version, and those of
    later runs on the same input, say what was found. Removes nothing. Raises a SiftsetError.
    """
    shown = progress or Silent()
    loaded = load_recipe(recipe, overrides=overrides, uses=SECTIONS)
    sources = open_sources(loaded.recipe, loaded.folder)
    voters = bind_voters(loaded.recipe, loaded.folder)
    if voters is not None:
        voters.check(sources.schema)
    elif "label" not in sources.schema:
        raise SourceError(
            "the source has no column 'label': name the column of labels with  label: COLUMN  in "
            f"the source, one of: {name_some(sources.schema)}"
        )
    group = _find_group(loaded, sources)
    schema = pl.Schema({**sources.schema, **({} if voters is None else COLUMNS)})
    review = None
    if loaded.recipe.review is not None:
        review = make_table(open_log(loaded), schema, sources.schema)
    fixes = read_fixes(output_folder(loaded), sources.schema, "")
    shards = sources.shards if fixes is None else fixes.apply_to(sources.shards)
    labelled = _LabelledRows(shards, review, voters, group)
    with shown.stage("fit models of labels"):
        models = fit_fold_models(labelled.read, group)
    folder = out or (loaded.path.parent if loaded.path.is_file() else Path.cwd())
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{loaded.recipe.name}.doubt.safetensors"
    rows = place.with_suffix(".parquet")
    with tempfile.TemporaryFile(dir=folder, prefix=".doubt-") as file:
        judged = JudgedLabels(models, file)
        with shown.stage("ask each of rows it did not see"):
            judged.ask(labelled.read())
        with shown.stage("write the rows"), atomic_write(rows) as draft:
            first = _write_rows(judged.judge(labelled.read()), draft)
    with atomic_write(place) as draft:
        models.save(draft, judged.quality)
    found = describe_quality(
        judged.quality, of="this input", file=str(rows), examples=judged.examples
    )
    changes = [one.fingerprint for one in (review, fixes) if one is not None]
    key = doubt_key(loaded.recipe, sources.inputs, voters, changes)
    store_findings(output_folder(loaded), key, found)
    _tell_report(loaded, found)
    return DoubtResult(judged.quality, first, place, rows, group)


def _find_group(loaded: LoadedRecipe, sources: Sources) -> tuple[str, ...]:
    named = loaded.recipe.split.groups
    known = schema_with_views(sources.schema, named)
    for name in named:
        if name not in known or known[name].is_nested():
            raise RecipeError(
                f"split.group: doubt needs a column or a path to one value, and '{name}' is none: "
                "make it one in prepare.columns, or leave the group out with  --set "
                "split.group=null"
            )
    return named


@dataclass(frozen=True, slots=True)
class _LabelledRows:
    """The rows of a source that have a text and a label, given, voted or changed by people."""

    shards: Sequence[Shard]
    review: DecisionTable | None
    voters: Voters | None
    group: tuple[str, ...]

    def read(self) -> Iterator[pl.DataFrame]:
        """Read all of them, in the source's order."""
        for batch in (batch for shard in self.shards for batch in shard.read_batches()):
            frame = change_rows(batch.frame, self.review, self.voters).frame
            yield (
                with_views(frame, self.group)
                .select(
                    "row_id",
                    "text",
                    label=labels_as_text(pl.col("label")),
                    group=group_of(pl.col("text"), self.group),
                )
                .drop_nulls()
            )


def _write_rows(frames: Iterable[pl.DataFrame], path: Path) -> pl.DataFrame:
    """Write every row with its score, in the source's order; return the most doubtful ones."""
    import pyarrow.parquet as pq

    first = pl.DataFrame(schema=_ROWS)
    with pq.ParquetWriter(path, first.to_arrow().schema, compression="zstd") as writer:
        for frame in frames:
            told = frame.select(_ROWS.names()).cast(_ROWS)
            writer.write_table(told.to_arrow())
            first = pl.concat([first, told]).sort("label_doubt", descending=True).head(SHOWN)
    return first


def _tell_report(loaded: LoadedRecipe, found: LabelDoubts) -> None:
    """Let the report of the current version say what was found, if this recipe would make it."""
    try:
        job = load_job(loaded)
    except SiftsetError:  # the rest of the recipe may not be ready yet
        return
    store = Store(job.output)
    current = store.current() if job.output.is_dir() else None
    if current is None or current.key != job.key:
        return
    folder = RunFolder(job.output, current.run_id)
    metrics = read_metrics(folder.path / METRICS)
    if metrics is not None:
        write_metrics(folder.path, metrics.model_copy(update={"label_doubts": found}))
        render_report(folder.path, history=read_history(job.output, before=current.run_id))
