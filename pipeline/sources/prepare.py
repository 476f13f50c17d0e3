"""Mechanical changes to every row before the integrity rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import polars as pl

from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.source import Prepare
from siftset.schemas.results.columns import OWN_COLUMNS


def final_names(
    columns: Iterable[str],
    mapping: dict[str, str],
    prepare: Prepare,
    *,
    spelled: Mapping[str, str] | None = None,
    made: Collection[str] = (),
) -> dict[str, str]:
    """Return the name under which each column of a source is stored.

    `mapping` is stored name: source's name, from text, label and id. A column that would take a
    name of ours, a mapped one, or one that differs from it in case alone, which Delta does not tell
    apart, becomes source_column_<name>. `spelled` are the names of other sources, by lower case;
    `made` are names of columns that are made of others.
    """
    stored = {old: new for new, old in mapping.items()}
    renamed = {old: new for new, old in prepare.columns.items()}
    names: dict[str, str] = {}
    taken = {*OWN_COLUMNS, *mapping, *made, *prepare.columns}
    cases = {name.lower(): name for name in taken} | dict(spelled or {})
    for column in columns:
        name = stored.get(column, column)
        if name in renamed:
            names[column] = renamed[name]
        else:
            plain = name or "unnamed"
            other = cases.setdefault(plain.lower(), plain) != plain
            clash = (plain in taken or other) and column not in stored
            names[column] = f"source_column_{plain}" if clash else plain
            if clash:
                while cases.setdefault(names[column].lower(), names[column]) != names[column]:
                    names[column] += "_"
    for new, old in prepare.columns.items():
        if old not in {*stored.values(), *names}:
            raise SourceError(
                f"prepare.columns: no column '{old}'; the source has {', '.join(names)}"
            )
        if new in OWN_COLUMNS or list(names.values()).count(new) > 1:
            raise SourceError(f"prepare.columns: the name '{new}' is taken; choose another")
    return names


def prepare_texts(frame: pl.DataFrame, prepare: Prepare) -> pl.DataFrame:
    """Apply prepare's changes to the text and to the columns that it names."""
    chosen = [name for name in ("text", *prepare.columns) if frame.schema.get(name) == pl.String]
    if not chosen or not (prepare.collapse_space or prepare.strip_prefix or prepare.unicode):
        return frame
    text = pl.col(dict.fromkeys(chosen))
    if prepare.unicode is not None:
        text = text.str.normalize(prepare.unicode)
    if prepare.collapse_space:
        text = text.str.replace_all(r"\s+", " ").str.strip_chars()
    if prepare.strip_prefix is not None:
        text = text.str.strip_prefix(prepare.strip_prefix)
    return frame.with_columns(text)
