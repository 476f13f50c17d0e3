"""Checks of what a recipe says of files against what they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from siftset.pipeline.sources.find_files import InputFile
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.delimited import DelimitedText
from siftset.schemas.recipe.source import Files


def check_keys(file: InputFile, config: Files) -> None:
    """Refuse keys that only other formats know; raise RecipeError."""
    given = config.model_fields_set & (DelimitedText.model_fields.keys() - {"delimiter"})
    if file.format in ("csv", "tsv"):
        return
    if file.format not in ("parquet", "arrow"):
        given -= {"encoding"}
    for name in DelimitedText.model_fields:
        if name in given:
            known = "text files" if name == "encoding" else "csv and tsv"
            raise RecipeError(
                f"source.files.{name}: is for {known}, and {file.path} is {file.format}: "
                "remove the key, or read the file as a source of its own"
            )


def check_dtypes(config: Files, file: str, columns: Sequence[Iterable[str]]) -> None:
    """Refuse types of columns that no file has; raise SourceError, which names the first `file`."""
    known = dict.fromkeys(name for names in columns for name in names)
    for name in config.dtypes:
        if name not in known:
            raise SourceError(
                f"source.files.dtypes: no column '{name}' in {file}; it has {', '.join(known)}"
            )
