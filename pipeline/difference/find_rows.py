"""Which rows are in one set and not in the other, or in both with other content.

Both sides are read twice at most: first ids and hashes alone, then the columns of the rows that
differ. Files that both sides share, which a refresh links, cannot differ and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.difference.state import SetState, count_file_rows
from siftset.schemas.results.columns import OWN_COLUMNS, SHORT_ID
from siftset.schemas.results.difference import KINDS

PASS_ROWS: Final = 4_000_000
"""Rows of a side that are compared at once: 16 bytes each."""
FEW: Final = 10_000
KIND: Final = pl.Enum(KINDS)
ID: Final = "_id"


def id_expr() -> pl.Expr:
    """Return the short id of a row under a name that no source uses."""
    return SHORT_ID.alias(ID)


def drop_shared(
    before: Sequence[Path], after: Sequence[Path]
) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the files of one side alone, of the other alone, and those of both.

    A file is the same one by path or as a hard link.
    """
    old = {_identify(path): path for path in before}
    new = {_identify(path): path for path in after}
    shared = old.keys() & new.keys()
    return (
        [path for key, path in old.items() if key not in shared],
        [path for key, path in new.items() if key not in shared],
        [path for key, path in old.items() if key in shared],
    )


def _identify(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def scan_set(files: Sequence[Path]) -> pl.LazyFrame:
    """Return a lazy frame over files of a set; a column or signal that one lacks is null there."""
    fit = pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore")
    return pl.scan_parquet(
        list(files), missing_columns="insert", extra_columns="ignore", cast_options=fit
    )


def content_columns(before: SetState, after: SetState) -> list[str]:
    """Return the columns of both sides whose content counts: those of the source, and the split."""
    schemas = [read_schema(side.files) for side in (before, after)]
    own = set(OWN_COLUMNS) - {"split"}
    return [name for name in schemas[1] if name in schemas[0] and name not in own]


def read_schema(files: Sequence[Path]) -> pl.Schema:
    """Return the columns of a set's files; none where there is no file."""
    if not files:
        return pl.Schema()
    return pl.scan_parquet(list(files[:1])).collect_schema()


def find_changed_ids(before: SetState, after: SetState) -> pl.DataFrame:
    """Return the ids of all rows that differ, with `kind`: added, removed or changed."""
    old, new, _ = drop_shared(before.files, after.files)
    columns = content_columns(before, after)
    passes = max(count_file_rows(old), count_file_rows(new)) // PASS_ROWS + 1
    found = [pl.DataFrame(schema={ID: pl.UInt64, "kind": KIND})]
    for number in range(passes):
        sides = [_read_keys(files, columns, number, passes) for files in (old, new)]
        # most rows are equal on both sides, and finding those that are not is cheap by one number
        gone = sides[0].join(sides[1], on="content", how="anti")
        came = sides[1].join(sides[0], on="content", how="anti")
        kind = (
            pl.when(pl.col("content").is_null())
            .then(pl.lit("added"))
            .when(pl.col("content_after").is_null())
            .then(pl.lit("removed"))
            .otherwise(pl.lit("changed"))
        )
        joined = gone.join(came, on=ID, how="full", coalesce=True, suffix="_after")
        found.append(joined.select(ID, kind=kind.cast(KIND)))
    return pl.concat(found)


def _read_keys(
    files: Sequence[Path], columns: Sequence[str], number: int, passes: int
) -> pl.DataFrame:
    if not files:
        return pl.DataFrame(schema={ID: pl.UInt64, "content": pl.UInt64})
    rows = scan_set(files)
    keys = rows.select(id_expr(), content=pl.struct(id_expr(), *columns).hash(0))
    chosen = keys if passes == 1 else keys.filter(pl.col(ID) % passes == number)
    return chosen.collect(engine="streaming")


def read_rows(files: Sequence[Path], ids: pl.DataFrame, columns: Sequence[pl.Expr]) -> pl.DataFrame:
    """Return `columns` of the rows whose ids are wanted, with their ids."""
    rows = _pick_rows(scan_set(files), ids)
    return rows.select(ID, *columns).collect(engine="streaming")


def _pick_rows(rows: pl.LazyFrame, ids: pl.DataFrame) -> pl.LazyFrame:
    """Return the rows of `ids`, picked before anything is made of their columns."""
    if ids.height <= FEW:  # a filter of a scan: the other columns are read of its rows alone
        return rows.filter(id_expr().is_in(ids[ID].implode())).with_columns(id_expr())
    return rows.with_columns(id_expr()).join(ids.select(ID).lazy(), on=ID, how="semi")


def find_records(
    side: SetState, ids: pl.DataFrame, signals: Sequence[str], *, with_text: bool
) -> pl.DataFrame:
    """Return where the rows of `ids` are on a side that does not keep them, and what was said.

    A row that is nowhere is left out. `with_text` adds a hash of the text, where it is recorded.
    """
    found = [pl.DataFrame(schema={ID: pl.UInt64, "place": pl.String, "clause": pl.String})]
    missing = ids.select(ID)
    for place, rows in side.scan_records():
        if not missing.height:
            break
        columns = rows.collect_schema()
        picked = _pick_rows(rows, missing).select(
            ID,
            pl.lit(place).alias("place"),
            _REASONS[place].cast(pl.String).alias("clause"),
            *(text_hash(columns) if with_text else ()),
            *state_columns(columns, signals),
        )
        met = picked.collect(engine="streaming").unique(ID, keep="last")
        found.append(met)
        missing = missing.join(met, on=ID, how="anti")
    return pl.concat(found, how="diagonal")


_REASONS: Final[dict[str, pl.Expr]] = {
    "rejected": pl.col("clause"),
    "duplicates": pl.col("duplicate_of"),
    "quarantine": pl.col("_reasons").list.join(", "),
    "unreadable": pl.col("reason"),
}


def text_hash(columns: pl.Schema) -> Iterator[pl.Expr]:
    """Yield the hash of the text, where it is recorded."""
    if columns.get("text") == pl.String:
        yield pl.col("text").hash(0).alias("text_hash")


def state_columns(columns: pl.Schema, signals: Sequence[str]) -> Iterator[pl.Expr]:
    """Yield the state and the score of every signal as columns of their own."""
    for column, prefix, dtype in (("signals", "state", pl.String), ("scores", "score", pl.Float64)):
        held = columns.get(column)
        fields = {field.name for field in held.fields} if isinstance(held, pl.Struct) else set()
        for name in signals:
            if name in fields:
                value = pl.col(column).struct.field(name).cast(dtype)
                yield value.alias(f"{prefix} {name}")
