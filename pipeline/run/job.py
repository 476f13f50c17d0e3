"""A recipe made ready to run: its source open, its formula bound, its rules checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.log import DecisionLog
from siftset.pipeline.decisions.table import CLAUSE as REVIEW
from siftset.pipeline.decisions.table import DecisionTable, make_table
from siftset.pipeline.gate.prepare import prepare_gate, suite_rules
from siftset.pipeline.gate.row_rules import PlainRules, RowRuleSet
from siftset.pipeline.run.changed_rows import change_rows
from siftset.pipeline.run.content_key import content_key
from siftset.pipeline.run.examples import Examples
from siftset.pipeline.run.job_checks import (
    check_columns,
    hash_gate_inputs,
    make_row_rules,
    open_examples,
)
from siftset.pipeline.run.label_votes import bind_voters
from siftset.pipeline.run.released_rows import QuarantineFixes, read_fixes
from siftset.pipeline.run.score_store import StoredScores
from siftset.pipeline.run.split import split_expr, stratum_columns
from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.ownership import check_output_apart
from siftset.pipeline.storage.run_folder import json_digest, recipe_hash, run_key
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Delta, Files, Frame, Hub, Synthesize
from siftset.schemas.results.columns import CUT, SELECT
from siftset.signals.decider import Decider
from siftset.signals.definition import untracked_lines
from siftset.signals.formula.formula import parse
from siftset.signals.label_votes.voters import COLUMNS, Voters
from siftset.signals.registry import build_for

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard, Sources
    from siftset.pipeline.sources.files import ScanMemory
    from siftset.pipeline.sources.open import KeptTypes
    from siftset.pipeline.sources.types import Types
    from siftset.schemas.results.label_metrics import VoteMetrics
    from siftset.signals.evaluation.thresholds import SignalUse

SECTIONS: Final = frozenset(Recipe.model_fields) - {"refresh", "train", "compare"}
"""The sections that curating uses; environment variables of the others may be unset."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that is known before the first row is read."""

    loaded: LoadedRecipe
    sources: Sources
    decider: Decider
    rules: RowRuleSet
    key: str
    output_rules: PlainRules = field(default_factory=PlainRules)
    """Rules of the suite for rows that the formula kept."""
    suites: str = ""
    """Hash of the suites where they set rows aside."""
    fixes: QuarantineFixes | None = None
    """Rows that take the place of records, None where nobody fixed any."""
    voters: Voters | None = None
    """Who gives rows their labels, where signals vote on them."""
    log: DecisionLog | None = None
    """What people decided, None where the recipe names no decisions."""
    review: DecisionTable | None = None
    """What of it is in force."""
    gate: str = ""
    """Hash of what judges the set: rules, suites, limits, held-out and reference texts, metrics."""
    examples: Examples | None = None
    """The texts that rows are selected by; None where all are taken."""

    @property
    def recipe(self) -> Recipe:
        """The checked recipe."""
        return self.loaded.recipe

    @property
    def output(self) -> Path:
        """The output folder, absolute."""
        return output_folder(self.loaded)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns as they are stored."""
        return tuple(self.sources.schema.names())

    @property
    def read_schema(self) -> pl.Schema:
        """The source's columns without those that votes add."""
        schema = self.sources.schema
        added = () if self.voters is None else COLUMNS
        return pl.Schema({name: schema[name] for name in schema if name not in added})

    def label_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows as they were read with the labels that signals vote for, if any do."""
        return frame if self.voters is None else self.voters.add_labels(frame)[0]

    def read_frames(
        self, shards: Iterable[Shard] | None = None, *, votes: list[VoteMetrics] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Read rows, all of them or those of some shards, as rules and formula see them.

        `votes` takes what the votes on labels come to, if any are held.
        """
        for shard in self.shards if shards is None else shards:
            for batch in shard.read_batches():
                changed = change_rows(batch.frame, self.review, self.voters)
                if votes is not None and changed.votes is not None:
                    votes.append(changed.votes)
                yield changed.frame

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The input in parts, with fixed rows in their places."""
        shards = self.sources.shards
        return shards if self.fixes is None else self.fixes.apply_to(shards)

    @property
    def has_ids(self) -> bool:
        """Whether a source names a column that identifies records, so that ids may repeat."""
        configs = [source.config for source in self.recipe.source]
        return any(not isinstance(c, Synthesize) and c.id is not None for c in configs)

    def content_key(self) -> pl.Expr | None:
        """Return what equal texts share, None where they are not looked for.

        Raises RecipeError for a column that is not there.
        """
        dedupe = self.recipe.dedupe
        if dedupe.prefixes and self.sources.schema.get(COLUMN) != MESSAGES:
            raise RecipeError(
                "dedupe.prefixes: the source makes no conversations: name their column as "
                "'messages' in the source, or remove the key"
            )
        return (
            content_key(dedupe.on, self.sources.schema)
            if dedupe.compares_texts or self.recipe.removes_leaks
            else None
        )

    @property
    def cuts_labels(self) -> bool:
        """Whether a share of the voted labels is left out."""
        return self.recipe.label is not None and self.recipe.label.keep_share is not None

    def clauses(self) -> pl.Enum:
        """Return the type of what rejects rows: a clause of the formula, people, or a choice."""
        found = [*self.decider.clauses]
        found += [] if self.review is None else [REVIEW]
        found += [CUT] if self.cuts_labels else []
        found += [] if self.examples is None else [SELECT]
        return pl.Enum(list(dict.fromkeys(found)))

    def split(self) -> pl.Expr:
        """Return the expression of the column `split`."""
        return split_expr(self.recipe.split, self.recipe.seed, self.sources.schema)

    def strata(self) -> tuple[pl.Expr, ...]:
        """Return the columns of candidates that a stratified split needs."""
        return stratum_columns(self.recipe.split, self.recipe.seed, self.sources.schema)

    @property
    def questions(self) -> dict[str, SignalUse]:
        """The signals that are asked, by the formula or for their votes."""
        voting = {} if self.voters is None else self.voters.decider.questions
        return {**voting, **self.decider.questions}

    @property
    def doubt_key(self) -> str:
        """What findings about the labels of this input are known by."""
        from siftset.pipeline.run.doubt_findings import doubt_key

        review = "" if self.review is None else self.review.fingerprint
        fixes = "" if self.fixes is None else self.fixes.fingerprint
        return doubt_key(self.recipe, self.sources.inputs, self.voters, [review, fixes])

    def fingerprints(self) -> dict[str, JsonValue]:
        """Return the fingerprint of every signal that is asked."""
        asked = self.questions.items()
        return {name: question.signal.fingerprint for name, question in asked}


def load_job(
    recipe: RecipeLike,
    data: object | None = None,
    *,
    overrides: Sequence[str] = (),
    limit: int | None = None,
    scans: ScanMemory | None = None,
    kept: KeptTypes | None = None,
) -> Job:
    """Load a recipe and make it ready to run on its source, or on `data` in its place.

    Definitions are checked first, then the recipe, the schema and the data. Raises a SiftsetError
    for the first thing that cannot work; writes nothing.
    """
    loaded = load_recipe(recipe, overrides=overrides, uses=SECTIONS)
    if data is None:
        check_output_apart(loaded, output_folder(loaded))
    if loaded.recipe.mirror is not None:
        from siftset.pipeline.storage.object_store import file_system

        file_system(loaded.recipe.mirror)
    decider = bind_formula(loaded)
    suites = prepare_gate(loaded)
    return _make_job(loaded, decider, _open_data(loaded, data, limit, scans, kept), suites)


def bind_formula(loaded: LoadedRecipe) -> Decider:
    """Return the formula of a recipe with its signals; needs no data."""
    formula = parse(loaded.recipe.keep)
    signals = build_for(formula, loaded.recipe.signals, folder=loaded.folder)
    expensive = sum(signal.kind != "expression" for signal in signals.values())
    return Decider(
        formula,
        signals,
        order=loaded.recipe.order,
        seed=loaded.recipe.seed,
        cache=StoredScores(output_folder(loaded), signals=expensive),
    )


def _make_job(loaded: LoadedRecipe, decider: Decider, sources: Sources, suites: str) -> Job:
    recipe, read_schema = loaded.recipe, sources.schema
    voters = bind_voters(recipe, loaded.folder, decider.cache)
    if voters is not None:
        voters.check(read_schema)
        sources = replace(sources, schema=pl.Schema({**read_schema, **COLUMNS}))
    schema = sources.schema
    check_columns(recipe, decider, sources)
    aside = suite_rules(loaded, schema)
    rules = make_row_rules(recipe.integrity, schema, aside.input_rules)
    examples = open_examples(loaded, decider, schema)
    gate = {"(suites)": suites, **hash_gate_inputs(loaded)}
    read = {**gate, **_hash_questions(recipe, decider, voters, examples)}
    key = run_key(recipe, sources.inputs, read)
    log = None if recipe.review is None else open_log(loaded)
    review = None if log is None else make_table(log, schema, read_schema)
    if review is not None and review.fingerprint:
        key = json_digest([key, "review", review.fingerprint])
    fixes = read_fixes(output_folder(loaded), read_schema, key)
    asked = {**({} if voters is None else voters.decider.questions), **decider.questions}
    told = untracked_lines(question.signal for question in asked.values())
    warnings = (*sources.warnings, *told, *(() if log is None else log.warnings))
    judged = recipe.integrity.model_dump(mode="json", exclude_defaults=True)
    job = Job(
        loaded,
        replace(sources, warnings=warnings),
        decider,
        rules,
        key if fixes is None else fixes.key,
        output_rules=PlainRules(aside.output_rules),
        suites=suites if any(aside) else "",
        fixes=fixes,
        voters=voters,
        log=log,
        review=review,
        gate=json_digest({**gate, "integrity": judged}),
        examples=examples,
    )
    job.content_key()
    return job


def _hash_questions(
    recipe: Recipe, decider: Decider, voters: Voters | None, examples: Examples | None
) -> dict[str, str]:
    """Hash what decides beside the recipe: signals, formula, votes, examples, made texts."""
    found = {name: question.signal.fingerprint for name, question in decider.questions.items()}
    found |= {"(formula)": decider.formula.canonical, **_tell_made_texts(recipe)}
    if voters is not None:
        found["(votes)"] = voters.hash
    if examples is not None:
        found["(select)"] = examples.fingerprint
    return found


def _tell_made_texts(recipe: Recipe) -> dict[str, str]:
    """Say which sources make their text of conversations.

    A source that names its default, `text: text`, does not, and its recipe looks no different.
    """
    configs = [source.config for source in recipe.source]
    mapped = [one for one in configs if isinstance(one, Files | Hub | Delta | Frame)]
    return {f"(text of {one.name})": "made" for one in mapped if one.makes_text}


def describe_recipe(job: Job) -> dict[str, JsonValue]:
    """Return what a manifest records of a recipe: no environment variable is filled in."""
    return {
        "name": job.recipe.name,
        "file": str(job.loaded.path),
        "hash": recipe_hash(job.recipe),
        "document": job.loaded.raw,
    }


def _without_votes(kept: KeptTypes) -> KeptTypes:
    """Leave out what votes added to the rows that are kept: they vote again."""

    def read_types(places: Collection[tuple[str, str, str]]) -> Types:
        return {name: dtype for name, dtype in kept(places).items() if name not in COLUMNS}

    return read_types


def _open_data(
    loaded: LoadedRecipe,
    data: object | None,
    limit: int | None,
    scans: ScanMemory | None,
    kept: KeptTypes | None,
) -> Sources:
    if kept is not None and loaded.recipe.label is not None:
        kept = _without_votes(kept)
    if data is not None:
        from siftset.pipeline.sources.frame import frame_source

        return frame_source(data, loaded.recipe, limit=limit, folder=loaded.folder)
    if not loaded.recipe.source:
        raise RecipeError(
            f"recipe {loaded.path}: source: required, but not given: write what to read, such as "
            "{files: {paths: [data.csv]}}, or hand the rows over in Python: curate(recipe, data)"
        )
    from siftset.pipeline.sources import open_sources

    return open_sources(loaded.recipe, loaded.folder, limit=limit, scans=scans, kept=kept)
