"""A recipe checked before a long run starts; nothing is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.gate.prepare import check_kinds
from siftset.pipeline.run.examples import describe_selection
from siftset.pipeline.run.job import Job, load_job
from siftset.pipeline.storage.address import output_address
from siftset.pipeline.storage.ownership import check_owner
from siftset.pipeline.storage.table import Store
from siftset.schemas.conversations import with_views
from siftset.schemas.errors import SignalError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.signals.definition import Bound
from siftset.signals.label_doubt.fold_models import FoldModels
from siftset.signals.laws import FAULT_FREE, check_laws
from siftset.signals.tracking.files import watch_opened_files

_SAMPLE = 20
"""Rows on which `check` asks the user's own signals."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a recipe would do."""

    job: Job
    model: str | None
    warnings: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        job = self.job
        yield f"recipe    {job.recipe.name}  ({job.loaded.path})"
        yield (
            f"input     {format_count(job.sources.records, 'record')} in "
            f"{format_count(len(job.sources.shards), 'shard')}"
        )
        yield f"columns   {', '.join(f'{n}: {t}' for n, t in job.sources.schema.items())}"
        yield f"formula   {job.decider.formula.text}"
        for name, question in job.decider.questions.items():
            signal = question.signal
            yield f"  {name:<16}{signal.defined} on {', '.join(signal.columns)}"
        select, examples = job.recipe.select, job.examples
        if select is not None and examples is not None:
            yield f"select    {describe_selection(select, examples)}"
        address = output_address(self.job.loaded)
        here = str(self.job.output)
        yield f"output    {here if address is None else f'{address}, worked on in {here}'}"
        yield f"training  {self.model or 'none: the recipe has no train section'}"
        yield from (f"warning   {line}" for line in self.warnings)
        yield "The recipe is valid."

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        job = self.job
        return {
            "ok": True,
            "name": job.recipe.name,
            "records": job.sources.records,
            "columns": {name: str(dtype) for name, dtype in job.sources.schema.items()},
            "formula": job.decider.formula.text,
            "signals": job.fingerprints(),
            "key": job.key,
            "output": str(job.output),
            "model": self.model,
            "warnings": list(self.warnings),
        }


def check_recipe(recipe: RecipeLike, *, overrides: Sequence[str] = ()) -> Checked:
    """Check definitions, recipe, schema, extras and model; raises the first error found."""
    loaded = load_recipe(recipe, overrides=overrides)
    job = load_job(loaded)
    check_kinds(loaded)
    check_owner(Store(job.output), job.recipe.name, take_over=False)
    warnings = list(job.sources.warnings)
    warnings += _check_answers(job)
    warnings += _check_doubt(job)
    unused = sorted(set(job.recipe.signals) - set(job.questions))
    if unused:
        warnings.append(f"signals that the formula does not use: {', '.join(unused)}")
    return Checked(job, _check_model(loaded, warnings), tuple(warnings))


def _check_answers(job: Job) -> list[str]:
    """Ask the user's own signals about a few rows; raise SignalError where one breaks a law."""
    frames = job.read_frames(job.shards[:1])
    first = next((frame.head(_SAMPLE) for frame in frames), pl.DataFrame())
    asked = {name for question in job.questions.values() for name in question.signal.columns}
    first = with_views(first, sorted(asked))
    warnings: list[str] = []
    for question in job.questions.values():
        signal = question.signal
        function = signal.function
        if not isinstance(function, Bound):
            continue
        if signal.parameters:  # the examples are those of the defaults
            signal = replace(signal, examples=())
        with watch_opened_files() as opened:
            laws = check_laws(signal, first)
        for law in (law for law in laws if not law.holds):
            told = f"signal '{law.signal}': {law.name}: {law.detail}"
            if law.name != FAULT_FREE:
                raise SignalError(f"{told}; run  siftset signals test  on its file")
            warnings.append(told)
        tracked = {*function.resource_files(), *function.trace.files}
        warnings += [
            f"signal '{signal.name}' reads {path} while it is asked; a change of it is not "
            "noticed: name it in resources="
            for path in opened
            if path not in tracked
        ]
    return warnings


def _check_doubt(job: Job) -> Iterator[str]:
    """Say where a limit of label_doubt takes more rows than the models give reason to doubt."""
    for name, question in job.decider.questions.items():
        signal = question.signal
        if signal.defined != "label_doubt" or signal.bounds is None:
            continue
        models = job.loaded.folder / str(signal.parameters["models"])
        _, quality = FoldModels.load(models)
        bounds = signal.bounds
        least = bounds.minimum if bounds.minimum is not None else bounds.maximum
        if least is None or not quality.rows:
            continue
        doubtful = sum(quality.doubt[int(least * len(quality.doubt)) :])
        # a count of errors is known to about its root
        if doubtful > quality.wrong + 2 * math.sqrt(quality.wrong):
            yield (
                f"signal '{name}' takes {doubtful:,} of {format_count(quality.rows, 'label')} "
                f"for doubtful, and the models give reason to doubt {quality.wrong:,}: dropping "
                "more of them costs good rows; raise the limit, or have people look first"
            )


def _check_model(loaded: LoadedRecipe, warnings: list[str]) -> str | None:
    train = loaded.recipe.train
    if train is None:
        return None
    from siftset.trainer.train import require_extra

    require_extra()
    from siftset.trainer.models.embedded import EMBEDDED, is_fetched
    from siftset.trainer.models.loading import locate_model

    if train.model in EMBEDDED and not is_fetched():
        warnings.append(
            f"the model {train.model} is not in the cache yet: run  siftset doctor --fetch"
        )
    else:
        locate_model(train.model, train.revision)
    return f"{train.task} with {train.model}"
