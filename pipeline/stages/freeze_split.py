"""Fixing the edges of a stratified split from the rows that are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.run.frozen_split import (
    GROUPED,
    POINT,
    STRATUM,
    FrozenSplit,
    find_edges,
    given_splits,
    row_key,
)
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.schemas.errors import RecipeError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.columns import SPLITS
from siftset.signals.formula.tree import digest

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.run.job import Job

MOST: Final = 1_000
"""Strata beyond which a column is no class."""


def freeze_split(run: CurateRun, kept: Iterable[pl.DataFrame]) -> FrozenSplit | None:
    """Return the edges of every stratum of the kept rows; None where the split has no strata.

    Those that a version fixed stay as they are. Raises RecipeError where there are too many strata,
    or where the rows of one group lie in several.
    """
    split = run.job.recipe.split
    if split.stratify is None:
        return None
    empty = pl.DataFrame(schema={POINT: pl.Float64, STRATUM: pl.String, GROUPED: pl.Boolean})
    rows = pl.concat([empty, *(frame.select(empty.columns) for frame in kept)])
    found = rows[STRATUM].n_unique()
    if found > MOST:
        raise RecipeError(
            f"split.stratify: '{split.stratify}' has {format_count(found, 'value')}, expected "
            f"at most {MOST:,}: name a column of classes"
        )
    strata = rows.filter(GROUPED).group_by(POINT).agg(pl.col(STRATUM).n_unique())
    mixed = strata.filter(pl.col(STRATUM) > 1).height
    if mixed:
        raise RecipeError(
            f"split: stratify with group needs one '{split.stratify}' a group, and "
            f"{format_count(mixed, 'group')} {conjugate(mixed, 'have')} several: "
            "leave one of the two out, or stratify by what a group decides"
        )
    shares = {name: float(getattr(split, name)) for name in SPLITS}
    names = given_splits(shares)
    signature = _sign(run.job)
    edges, published = _read_published(run, signature)
    for (stratum,), points in rows.sort(STRATUM).group_by(STRATUM, maintain_order=True):
        if stratum not in edges:
            edges[stratum] = find_edges(points[POINT], [shares[name] for name in names])
    return FrozenSplit(signature, names, edges, published)


def _sign(job: Job) -> str:
    return digest(str(job.recipe.seed), job.recipe.split.model_dump_json())


def _read_published(
    run: CurateRun, signature: str
) -> tuple[dict[str | None, tuple[float, ...]], pl.DataFrame]:
    """Return the edges of the current version and the splits of its rows, if it is split alike."""
    nothing = pl.DataFrame(schema={"key": pl.UInt128, "split": pl.String})
    current = run.store.current()
    if current is None:
        return {}, nothing
    folder = RunFolder(run.store.output, current.run_id)
    said = folder.manifest().get("strata") if (folder.path / MANIFEST).is_file() else None
    if not isinstance(said, dict) or said.get("signature") != signature:
        return {}, nothing
    edges: dict[str | None, tuple[float, ...]] = {}
    for stratum, cuts in said.get("edges", ()):  # type: ignore[misc,str-unpack,union-attr]
        edges[None if stratum is None else str(stratum)] = tuple(map(float, cuts))  # type: ignore[arg-type]
    rows = pl.scan_parquet(run.store.files(current.version))
    split = pl.col("split").cast(pl.String)
    return edges, rows.select(row_key().alias("key"), split).unique("key").collect()
