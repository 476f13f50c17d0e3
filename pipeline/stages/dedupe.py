"""Duplicates among the rows that the formula kept.

A row's place is its number in the order (source, path, record); the keeper of equal rows is the
one with the lowest place, whatever the order in which the work was done. Rows are compared by
128-bit hashes (xxh3): the odds that any two of a billion differing texts meet are below 1e-20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl
import polars_hash as plh

from siftset.pipeline.decisions.table import BEFORE
from siftset.pipeline.run.content_key import TEXT_KEY
from siftset.pipeline.run.frozen_split import OWN, FrozenSplit
from siftset.pipeline.storage.part_files import Part, Reasons, count_rows, group_parts, read_parts
from siftset.schemas.errors import SourceError
from siftset.schemas.results.columns import LEFT_BY
from siftset.signals.kernels.arrays import to_series
from siftset.signals.labels import label_column

if TYPE_CHECKING:
    from siftset.pipeline.sources.batch import Batch

_ROWS_PER_PASS: Final = 4_000_000
_SCHEMA: Final = {"place": pl.Int64, "keeper": pl.Int64, "kind": pl.String}

Keys = Callable[[], Iterator[pl.DataFrame]]
"""Gives, each time from the start, frames in order with the columns place and key."""


class ResolvedRows(NamedTuple):
    """The rows of one part: those that stay, those that repeat another row, those left out."""

    kept: pl.DataFrame
    duplicates: pl.DataFrame
    pointers: pl.DataFrame
    """By duplicate, duplicate_of, the row_id of the row that it repeats, and kind."""
    left: pl.DataFrame


def id_key() -> pl.Expr:
    """Return the 128-bit hash of a row_id."""
    return plh.col("row_id").nchash.xxh3_128().alias("key")


def ids_of(batch: Batch, candidate: pl.Series) -> pl.DataFrame:
    """Return what tells repeated ids apart from conflicts; a candidate is a kept row."""
    ids = batch.frame.select(id_key(), pl.col("source").struct.unnest())
    return ids.with_columns(content=batch.content, candidate=candidate)


def exact_duplicates(parts: Sequence[Part], without: pl.Series | None = None) -> pl.DataFrame:
    """Return place, keeper and kind of the rows that repeat the text of an earlier one.

    Rows at the places `without` take no part, and neither do rows without a text.
    """

    def keys() -> Iterator[pl.DataFrame]:
        place = 0
        for some in group_parts(parts):
            frame = pl.read_parquet([part.path for part in some], columns=[TEXT_KEY])
            yield text_keys(frame, place, without)
            place += frame.height

    return _find_repeats(keys, count_rows(parts), keep="first", kind="exact")


def relabelled_texts(
    parts: Sequence[Part], *, drop: bool, without: pl.Series | None = None
) -> pl.DataFrame:
    """Return place, keeper and kind of rows whose text another row has under another label.

    They repeat the first row of their text that has a label; those without a label repeat none.
    With `drop` all rows of such a text are found, and none is kept: the keeper is -1. Rows at the
    places `without` take no part.
    """

    def keys() -> Iterator[pl.DataFrame]:
        place = 0
        for frame in read_parts(parts, [TEXT_KEY, "label"]):
            named = frame.select(TEXT_KEY, label=label_column(frame))
            yield text_keys(named, place, without)
            place += frame.height

    found = [no_repeats()]
    label, place = pl.col("label"), pl.col("place")
    passes = max(1, math.ceil(count_rows(parts) / _ROWS_PER_PASS))
    for turn in range(passes if parts else 0):
        rows = pl.concat([_of_pass(frame, turn, passes) for frame in keys()])
        disputed = rows.filter(label.drop_nulls().n_unique().over("key") > 1)
        if drop:
            met = disputed.with_columns(keeper=pl.lit(-1, pl.Int64))
        else:
            first = place.filter(label.is_not_null()).first().over("key")
            other = label != label.drop_nulls().first().over("key")
            met = disputed.with_columns(keeper=first).filter(other)
        found.append(met.with_columns(kind=pl.lit("label")).select(*_SCHEMA))
    return pl.concat(found).sort("place")


def text_keys(frame: pl.DataFrame, start: int, without: pl.Series | None) -> pl.DataFrame:
    """Return place and key of the rows that have a text; the first row has the place `start`."""
    numbered = _number_rows(frame.rename({TEXT_KEY: "key"}), start).drop_nulls("key")
    return numbered if without is None else _exclude_places(numbered, without)


def side_repeats(
    parts: Sequence[Part], without: pl.Series, published: Sequence[bool] | None = None
) -> pl.DataFrame:
    """Return place, keeper and kind of the rows whose text a row on another side of the split has.

    The keeper is the first row of the text, of those that are `published` where there are any; rows
    on its side stay. Rows at the places `without` take no part.
    """
    frames, start = [no_repeats().select("place")], 0
    for frame in read_parts(parts, [TEXT_KEY, "split"]):
        side = frame.select(pl.col("split").cast(pl.String)).to_series()
        frames.append(text_keys(frame.with_columns(side), start, without))
        start += frame.height
    rows = pl.concat(frames, how="diagonal")
    if "key" not in rows.columns:
        return no_repeats()
    known = pl.Series(published if published is not None else [False] * start, dtype=pl.Boolean)
    again = rows.filter(pl.col("key").is_duplicated()).sort("place")
    order = again.with_columns(new=~known.gather(again["place"])).sort("new", "place")
    first = order.unique("key", keep="first").select("key", keeper="place", side="split")
    met = again.join(first, on="key").filter(pl.col("split") != pl.col("side"))
    return met.select("place", "keeper", kind=pl.lit("leak")).sort("place")


def near_duplicates(
    parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
) -> pl.DataFrame:
    """Return place, keeper and kind of the rows whose text is nearly that of an earlier kept row.

    The duplicates at the places `without` take no part.
    """
    return near_repeats(texts_of(parts, without), threshold, seed=seed)


def texts_of(
    parts: Sequence[Part], without: pl.Series, *, start: int = 0
) -> Iterator[pl.DataFrame]:
    """Yield text and place of the rows outside of `without`; the first has the place `start`."""
    for frame in read_parts(parts, ["text"]):
        yield _exclude_places(_number_rows(frame, start), without)
        start += frame.height


def near_repeats(frames: Iterable[pl.DataFrame], threshold: float, *, seed: int) -> pl.DataFrame:
    """Return place, keeper and kind of rows, given by place and text, that nearly repeat another.

    The keeper is the first of the rows kept so far that is alike, in the order of the frames.
    """
    from siftset.signals.near_duplicates.finder import NearDuplicates

    finder = NearDuplicates(threshold, seed=seed)
    places, found = [pl.Series("place", dtype=pl.Int64)], [no_repeats()]
    for rows in frames:
        places.append(rows["place"])
        number = finder.add(rows["text"])
        found.append(rows.select("place", keeper=number, kind=pl.lit("near")).drop_nulls())
    met = pl.concat(found)
    return met.with_columns(keeper=pl.concat(places).gather(met["keeper"]))


def repeated_ids(
    parts: Sequence[Part], ids: Sequence[Part], *, latest_wins: bool = False
) -> pl.DataFrame:
    """Return place, keeper and kind of the kept rows whose id another row has too.

    `ids` hold key, content, candidate, file and record of every row read, in order; a candidate
    is a row of `parts`. Raises SourceError where an id stands for two contents, unless the latest
    one wins.
    """
    frames = _read_in_passes(ids, ["key"])
    if not any(frame["key"].n_unique() < frame.height for frame in frames):
        return no_repeats()
    if not latest_wins:
        refuse_conflicts(ids)

    def keys() -> Iterator[pl.DataFrame]:
        place = 0
        for frame in read_parts(ids, ["key", "candidate"]):
            yield frame.with_columns(candidate_place(place))
            place += int(frame["candidate"].sum())

    keep = "last" if latest_wins else "first"
    found = _find_repeats(keys, count_rows(ids), keep=keep, kind="id")
    return found.filter(pl.col("place") >= 0)


def find_retractions(ids: Sequence[Part]) -> pl.DataFrame:
    """Return the last record of every id that was not kept, where an earlier record has that id.

    `ids` are as in `repeated_ids`.
    """
    columns = ["key", "file", "record", "content", "candidate"]
    found = [pl.DataFrame(schema={"key": pl.UInt128, "file": pl.String, "record": pl.Int64,
                                  "content": pl.UInt64, "candidate": pl.Boolean})]  # fmt: skip
    for frame in _read_in_passes(ids, columns):
        again = frame.filter(pl.col("key").is_duplicated())
        last = again.unique("key", keep="last", maintain_order=True)
        found.append(last.filter(~pl.col("candidate")))
    return pl.concat(found, how="vertical_relaxed")


def split_duplicates(
    parts: Sequence[Part],
    repeated: pl.DataFrame,
    *,
    start: int = 0,
    known: pl.DataFrame | None = None,
    reasons: Reasons | None = None,
) -> Iterator[ResolvedRows]:
    """Part the kept rows from their duplicates, in order, with what these repeat.

    The first row has the place `start`; where keepers may lie in other parts, `known` has place and
    duplicate_of, the row_id, of every keeper. `reasons` says for each row of the parts why it is
    left out, 0 where it is not; rows that are get it as LEFT_BY.
    """
    if known is None:
        # A keeper may lie before or after what repeats it.
        keepers = repeated.select(place="keeper").unique()
        met = [pl.DataFrame(schema={"place": pl.Int64, "duplicate_of": pl.String})]
        place = start
        for frame in read_parts(parts, ["row_id"]) if keepers.height else ():
            held = _number_rows(frame, place).join(keepers, on="place", how="semi")
            met.append(held.select("place", duplicate_of="row_id"))
            place += frame.height
        known = pl.concat(met)
    place = start
    for frame in read_parts(parts):
        # Apart from the rows, whose columns people named: `place` and `kind` may be among them.
        numbered = _number_rows(frame.select("row_id"), place)
        place += frame.height
        found = numbered.join(repeated, on="place", how="left", maintain_order="left")
        repeats = found["kind"].is_not_null()
        alone = frame.filter(~repeats)
        left = pl.repeat(0, alone.height, dtype=pl.UInt8, eager=True).alias(LEFT_BY)
        if reasons is not None:
            left = to_series(LEFT_BY, reasons[found.filter(~repeats)["place"].to_numpy() - start])
        pointed = found.filter(repeats).join(
            known, left_on="keeper", right_on="place", how="left", maintain_order="left"
        )
        pointers = pointed.select(pl.col("duplicate_of").fill_null(pl.col("row_id")), "kind")
        yield ResolvedRows(
            alone.filter(left == 0),
            frame.filter(repeats),
            pointers,
            alone.with_columns(left).filter(left > 0),
        )


def point_duplicates(rows: pl.DataFrame, pointers: pl.DataFrame) -> pl.DataFrame:
    """Return duplicates with what they repeat; a column of theirs that is called as one of the
    pointers is becomes source_column_<name>.
    """
    taken = {name: f"source_column_{name}" for name in pointers.columns if name in rows.columns}
    return rows.rename(taken).hstack(pointers)


def merge_findings(*found: pl.DataFrame) -> pl.DataFrame:
    """Join findings; a row found twice keeps the first finding."""
    return pl.concat([no_repeats(), *found]).unique("place", keep="first", maintain_order=True)


def point_at_kept(found: pl.DataFrame) -> pl.DataFrame:
    """Follow each keeper that repeats another row itself to the row that is kept in the end."""
    further = found.select(keeper="place", _next="keeper")
    while found.join(further, on="keeper", how="semi").height:
        met = found.join(further, on="keeper", how="left", maintain_order="left")
        found = met.with_columns(keeper=pl.coalesce("_next", "keeper")).drop("_next")
    return found


def no_repeats() -> pl.DataFrame:
    """Return no finding."""
    return pl.DataFrame(schema=_SCHEMA)


def _find_repeats(keys: Keys, rows: int, *, keep: str, kind: str) -> pl.DataFrame:
    """Group equal keys, in as many passes as keep the memory bounded."""
    passes = max(1, math.ceil(rows / _ROWS_PER_PASS))
    found = [no_repeats()]
    for turn in range(passes):
        wanted = [_of_pass(frame, turn, passes) for frame in keys()]
        if wanted:
            found.append(repeats_in(pl.concat(wanted), keep=keep, kind=kind))
    return pl.concat(found).sort("place")


def repeats_in(frame: pl.DataFrame, *, keep: str, kind: str) -> pl.DataFrame:
    """Return place, keeper and kind of rows whose key another row of the frame has; in order."""
    place = pl.col("place")
    keeper = (place.first() if keep == "first" else place.last()).over("key")
    again = frame.filter(pl.col("key").is_duplicated())
    grouped = again.with_columns(keeper=keeper, kind=pl.lit(kind))
    return grouped.filter(place != pl.col("keeper")).select(*_SCHEMA)


def _of_pass(frame: pl.DataFrame, turn: int, passes: int) -> pl.DataFrame:
    if passes == 1:
        return frame
    return frame.filter(pl.col("key").hash(0) % passes == turn)


def _number_rows(frame: pl.DataFrame, start: int) -> pl.DataFrame:
    return frame.with_columns(place=pl.int_range(start, start + pl.len(), dtype=pl.Int64))


def _exclude_places(frame: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    return frame.filter(~pl.col("place").is_in(places.implode()))


def candidate_place(start: int) -> pl.Expr:
    """Return the place of a candidate, -1 for a row that the formula did not keep."""
    place = start + pl.col("candidate").cum_sum().cast(pl.Int64) - 1
    return pl.when("candidate").then(place).otherwise(pl.lit(-1, pl.Int64)).alias("place")


def _read_in_passes(ids: Sequence[Part], columns: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of `ids` in frames that hold all rows of a key and fit into memory."""
    passes = max(1, math.ceil(count_rows(ids) / _ROWS_PER_PASS))
    for turn in range(passes if ids else 0):
        yield pl.concat([_of_pass(frame, turn, passes) for frame in read_parts(ids, columns)])


def refuse_conflicts(ids: Sequence[Part]) -> None:
    """Raise SourceError where an id stands for two contents; a null one is not known."""
    for frame in _read_in_passes(ids, ["key", "content"]):
        again = frame.filter(pl.col("key").is_duplicated())
        conflict = again.filter(pl.col("content").drop_nulls().n_unique().over("key") > 1)
        if conflict.height:
            one = conflict.select("key").head(1)
            found = pl.concat([f.join(one, on="key", how="semi") for f in read_parts(ids)])
            places = found.select(pl.format("{} record {}", "file", "record")).to_series()
            raise SourceError(
                f"{' and '.join(places.head(3))} have one id and different contents: "
                "map another id column, or let the latest win with  refresh: {merge: upsert}"
            )


def stamp_frame(
    frame: pl.DataFrame, run_id: str, formula: str, frozen: FrozenSplit | None = None
) -> pl.DataFrame:
    """Return candidates as rows of the set that a run adds under a formula, given by its hash."""
    placed = frame if frozen is None else frozen.assign(frame)
    rows = placed.drop(TEXT_KEY).drop(*OWN, BEFORE, strict=False)
    return rows.with_columns(run_id=pl.lit(run_id), formula=pl.lit(formula))
