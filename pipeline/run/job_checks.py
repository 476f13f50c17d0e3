"""What a recipe asks of its source: columns, row rules, examples, and what the gate reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from siftset.pipeline.gate.message_rules import make_message_rules
from siftset.pipeline.gate.prepare import check_thresholds
from siftset.pipeline.gate.row_rules import RowRule, RowRuleSet
from siftset.pipeline.profile.custom import load_metrics
from siftset.pipeline.run.examples import Examples, read_examples
from siftset.pipeline.run.split import class_text, split_expr, stratum_columns
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import RecipeError, SourceError, name_some
from siftset.schemas.recipe.integrity import Integrity
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.columns import SELECT
from siftset.signals.decider import Decider
from siftset.signals.formula.tree import digest
from siftset.signals.tracking.files import hash_files
from siftset.signals.tracking.fingerprint import trace_function

if TYPE_CHECKING:
    from siftset.pipeline.sources import Sources


def check_columns(recipe: Recipe, decider: Decider, sources: Sources) -> None:
    """Raise a SiftsetError where the source lacks a column that the recipe asks for."""
    schema = sources.schema
    if "text" not in schema:
        raise SourceError(
            "the source has no column 'text': name the column that holds the text with  "
            f"text: COLUMN  in the source, one of: {name_some(schema)}"
        )
    if schema["text"] not in (pl.String, pl.Null):
        raise SourceError(f"column 'text' holds {schema['text']}, expected text")
    _refuse_old_names(recipe, decider, sources)
    decider.check(schema)
    check_thresholds(recipe, schema.names())
    split_expr(recipe.split, recipe.seed, schema)
    stratum_columns(recipe.split, recipe.seed, schema)


def _refuse_old_names(recipe: Recipe, decider: Decider, sources: Sources) -> None:
    """Raise RecipeError for a column that is called otherwise once it is mapped."""
    asked = {f"signal '{n}'": q.signal.columns for n, q in decider.questions.items()}
    split, per = recipe.split, None if recipe.select is None else recipe.select.per
    asked |= {"integrity.rows": tuple(recipe.integrity.rows), "split.group": split.groups}
    asked |= {"split.column": (split.column or "text",), "select.per": (per or "text",)}
    asked |= {"split.stratify": (split.stratify or "text",)}
    for place, columns in asked.items():
        for column in columns:
            now = sources.renamed.get(column)
            if column not in sources.schema and now is not None:
                raise RecipeError(
                    f"{place}: the source's column '{column}' is called '{now}' after it was "
                    f"mapped: write '{now}'"
                )


def make_row_rules(config: Integrity, schema: pl.Schema, also: tuple[RowRule, ...]) -> RowRuleSet:
    """Return the rules of rows, `also` those of suites; raise RecipeError where one cannot hold."""
    first: tuple[RowRule, ...] = ()
    if config.messages is not None:
        if schema.get(COLUMN) != MESSAGES:
            raise RecipeError(
                "integrity.messages: the source makes no conversations: name their column as "
                "'messages' in the source, or remove the section"
            )
        first = make_message_rules(config.messages)
    rules = RowRuleSet(config.rows, schema, first=first, also=also)
    rules.check()
    return rules


def open_examples(loaded: LoadedRecipe, decider: Decider, schema: pl.Schema) -> Examples | None:
    """Return the example texts, once the rest of the selection is known to fit."""
    select = loaded.recipe.select
    if select is None:
        return None
    if select.per is not None:
        class_text(select.per, schema, "select.per")
    if SELECT in decider.clauses:
        raise RecipeError(
            f"signal '{SELECT}': rows that the selection does not take are recorded under that "
            "name: give the signal another one"
        )
    return read_examples(loaded)


def hash_gate_inputs(loaded: LoadedRecipe) -> dict[str, str]:
    """Hash what the gate reads beside the set: held-out and reference texts, users' metrics."""
    integrity = loaded.recipe.integrity
    found: dict[str, str] = {}
    for name, given in (("held_out", integrity.held_out), ("reference", integrity.reference)):
        if given is not None:
            path = loaded.resolve(given)
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            hashes = hash_files(file for file in files if file.is_file())
            found[f"({name})"] = digest(*(f"{file}={text}" for file, text in hashes.items()))
    for name, metric in load_metrics(integrity.metrics, loaded.folder).items():
        found[f"(metric {name})"] = trace_function(metric).hash
    return found
