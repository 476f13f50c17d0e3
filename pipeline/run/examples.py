"""The texts that a selection of rows goes by."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import polars as pl

from siftset.pipeline.profile.outside import open_outside
from siftset.schemas.cache import embedded_model
from siftset.schemas.errors import MissingExtraError, RecipeError, SourceError, first_line
from siftset.schemas.model_files import digest_model_files
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.selection import Select
from siftset.signals.formula.tree import digest

MOST: Final = 10_000
UNSELECTED: Final = "other rows are more like the examples"
"""Why a row is rejected that a selection does not take."""
_KEY: Final = "select.near"


@dataclass(frozen=True, slots=True)
class Examples:
    """Example texts, each once, in an order that is the same however their file is ordered."""

    name: str
    texts: tuple[str, ...]
    fingerprint: str
    """Hash of the texts and of the models that compare them."""


def read_examples(loaded: LoadedRecipe) -> Examples | None:
    """Read the example texts of a recipe; None where it selects no rows.

    Raises SourceError for a file without any, RecipeError for too many, MissingExtraError where
    MiniLM is asked for and torch is not installed.
    """
    select = loaded.recipe.select
    if select is None:
        return None
    path = loaded.resolve(select.near)
    nothing = f"{_KEY}: {path} holds no text: expected example texts in a column 'text'"
    if path.is_file() and not path.stat().st_size:
        raise SourceError(nothing)
    try:
        found = open_outside(path, _KEY).select("text").collect()["text"]
        texts = found.cast(pl.String).drop_nulls()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(
            f"{_KEY}: {path} cannot be read ({first_line(error)}): fix or replace it"
        ) from error
    texts = texts.filter(texts.str.strip_chars() != "").unique()
    if texts.is_empty():
        raise SourceError(nothing)
    if len(texts) > MOST:
        raise RecipeError(
            f"{_KEY}: {path} holds {format_count(len(texts), 'text')}, expected at most "
            f"{MOST:,}: give some of them, such as every tenth"
        )
    from siftset.signals.static_vectors.model import load_static, static_file

    if not load_static().embed(texts).any():
        raise RecipeError(
            f"{_KEY}: no text of {path} holds a word that the static model knows, which is of "
            "English: give English examples"
        )
    ordered = sorted(texts)
    models = [digest_model_files(static_file().parent)]
    if select.model == "minilm":
        models.append(_find_minilm())
    return Examples(path.name, tuple(ordered), digest(*models, *ordered))


def describe_selection(select: Select, examples: Examples) -> str:
    """Say in a line which rows are taken."""
    shares = f", equal shares by {select.per}" if select.per is not None else ""
    return (
        f"{format_count(select.rows, 'row')} most like the texts of {examples.name} "
        f"(examples {len(examples.texts):,}, method {select.method}, model {select.model}{shares})"
    )


def _find_minilm() -> str:
    """Return the hash of MiniLM's files; raise where it cannot be used."""
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise MissingExtraError("select.model: minilm", "train")
    folder = embedded_model()
    if not (folder / "model.safetensors").is_file():
        raise RecipeError(
            f"select.model: minilm  and {folder} holds no model: run  siftset doctor --fetch , or "
            "leave the key out"
        )
    return digest_model_files(folder)
