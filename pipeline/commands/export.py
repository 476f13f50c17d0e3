"""Rows out of siftset: a version of the set, or synthetic sentences, as one file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.export_shapes import Shape, check_shape, source_columns, write_rows
from siftset.pipeline.commands.export_values import to_csv_fields, write_json_lines
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.object_store import file_system, is_address, upload
from siftset.pipeline.storage.run_rows import RowKind, scan_row_kind
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import RecipeLike, load_recipe
from siftset.schemas.recipe.model import Recipe

ENDINGS: Final = (".parquet", ".jsonl", ".ndjson", ".csv")
JSON_LINE: Final = "(json)"
"""The one column of a frame whose rows are written as they are."""
_CHUNK: Final = 50_000


def export_set(
    recipe: RecipeLike,
    out: str | Path,
    *,
    version: int | None = None,
    overrides: Sequence[str] = (),
    for_spreadsheets: bool = False,
    shape: Shape = "table",
    split: str | None = None,
    kind: RowKind = "kept",
    run_id: str | None = None,
) -> int:
    """Write a version of the set to one file and return its rows; an existing file is replaced.

    Another `kind` than the kept rows is what a run set aside: the run `run_id`, or the last one.

    `out` is a path, or an address in a store. Columns that hold structures are written as JSON
    text in CSV; with `for_spreadsheets`, text there that begins like a formula gets an apostrophe
    before it. Another `shape` than the table writes JSON Lines, or CSV; `split` writes the rows of
    one. Raises OutputError, and SourceError where a store refuses.
    """
    used = ("source", "prepare") if shape == "same" else ()
    loaded, store = open_store(recipe, overrides=overrides, uses=used)
    _check_ending(out)
    if version is not None:
        store.commit_of(version)
    if kind == "kept" and run_id is not None:
        raise OutputError("--run names a run that set rows aside: add --rows, or name a --version")
    if kind != "kept" and (shape != "table" or version is not None):
        raise OutputError(f"--rows {kind}: rows of a run, so without --as and --version")
    rows = store.scan(version) if kind == "kept" else scan_row_kind(store.output, kind, run_id)
    if split is not None and "split" not in rows.collect_schema():
        raise OutputError(f"--rows {kind}: these rows have no split")
    if split is not None:
        rows = rows.filter(pl.col("split") == split)
    if for_spreadsheets and PurePath(out).suffix.lower() != ".csv":
        raise OutputError(f"{out}: only CSV has cells of a spreadsheet, expected --out NAME.csv")
    # the columns first, so that a set of no rows has its header
    none = pl.DataFrame(schema=rows.collect_schema())
    frames: Iterable[pl.DataFrame] = chain(
        [none], rows.collect_batches(chunk_size=_CHUNK, maintain_order=True)
    )
    if shape != "table":
        frames = _reshape(frames, rows, shape, loaded.recipe, PurePath(out).suffix.lower())
    if for_spreadsheets:
        frames = (to_csv_fields(frame, for_spreadsheets=True) for frame in frames)
    if not is_address(str(out)):
        return _write(frames, Path(out))
    with TemporaryDirectory(prefix="siftset-") as folder:
        draft = Path(folder) / PurePath(out).name
        written = _write(frames, draft)
        upload(draft, str(out))
        return written


def _reshape(
    frames: Iterable[pl.DataFrame], rows: pl.LazyFrame, shape: Shape, recipe: Recipe, ending: str
) -> Iterator[pl.DataFrame]:
    """Yield rows in a shape: each as its JSON text, or in CSV as columns of texts."""
    if ending == ".parquet":
        raise OutputError(
            f"--as {shape} writes rows of JSON, expected --out NAME.jsonl; Parquet holds the table"
        )
    check_shape(rows, shape, recipe)
    source = source_columns(recipe, rows) if shape == "same" else None
    for frame in frames:
        written = list(write_rows(frame, shape, source))
        if ending == ".csv":
            names = list(source.names.values()) if source else list(_SHAPE_COLUMNS[shape])
            values = {name: [_cell_text(row.get(name)) for row in written] for name in names}
            yield pl.DataFrame(values, schema=dict.fromkeys(names, pl.String))
        else:
            texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in written]
            yield pl.DataFrame({JSON_LINE: texts}, schema={JSON_LINE: pl.String})


_SHAPE_COLUMNS: Final[Mapping[Shape, tuple[str, ...]]] = {
    "openai": ("messages", "tools"),
    "trl": ("messages", "tools"),
    "sharegpt": ("conversations", "tools"),
    "alpaca": ("instruction", "input", "output", "system"),
    "text": ("text",),
}


def _cell_text(value: JsonValue) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def synthesize_to(
    recipe: RecipeLike,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> int:
    """Write the rows of the recipe's synthetic sources to one file and return how many."""
    from siftset.pipeline.sources import open_sources

    _check_ending(out)
    loaded = load_recipe(recipe, overrides=overrides, uses=("source", "prepare", "seed"))
    given = tuple(s for s in loaded.recipe.source if s.synthesize is not None)
    if not given:
        raise RecipeError(
            f"{loaded.path}: source has no 'synthesize', expected one such as  "
            "source: {synthesize: {lexicon: nike, rows: 25000}}"
        )
    sources = open_sources(loaded.recipe.model_copy(update={"source": given}), loaded.folder)
    with (progress or Silent()).stage("synthesize", sources.records) as stage:

        def frames() -> Iterator[pl.DataFrame]:
            for shard in sources.shards:
                for batch in shard.read_batches():
                    stage.advance(batch.frame.height)
                    yield batch.frame.drop("source")

        return _write(frames(), out)


def _check_ending(out: str | Path) -> None:
    if is_address(str(out)):
        file_system(str(out))
    ending = PurePath(out).suffix
    if ending.lower() not in ENDINGS:
        raise OutputError(
            f"{out} ends in '{ending}', expected one of {', '.join(ENDINGS)}: "
            "the ending names the format"
        )


def _write(frames: Iterable[pl.DataFrame], out: Path) -> int:
    """Write frames to one file, whole or not at all."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as draft:
            if out.suffix.lower() == ".parquet":
                return _write_parquet(frames, draft)
            rows = 0
            with draft.open("wb") as handle:
                for number, frame in enumerate(frames):
                    if out.suffix.lower() == ".csv":
                        to_csv_fields(frame).write_csv(handle, include_header=number == 0)
                    elif frame.columns == [JSON_LINE]:
                        handle.writelines(f"{line}\n".encode() for line in frame[JSON_LINE])
                    else:
                        handle.write(write_json_lines(frame))
                    rows += frame.height
            return rows
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror or error}): choose another --out"
        ) from error


def _write_parquet(frames: Iterable[pl.DataFrame], draft: Path) -> int:
    import pyarrow.parquet as pq

    rows, writer = 0, None
    try:
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
            writer.write_table(table)
            rows += frame.height
    finally:
        if writer is not None:
            writer.close()
    return rows
