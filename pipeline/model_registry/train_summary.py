"""The end of a training run, as a person wants to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from pydantic import ValidationError

from siftset.pipeline.model_registry.result import COMPARE_JSON
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import (
    Comparison,
    Forgetting,
    MlmComparison,
    Token,
)
from siftset.schemas.results.summary import TrainResult
from siftset.schemas.results.trials import FoldFigure, SearchFound

TOP: Final = 5
_LARGE: Final = 1000
_MASSES: Final = {"positive_mass": "positive words", "negative_mass": "negative words"}
_UNTRAINED: Final = "untrained head"


def train_summary(result: TrainResult) -> str:
    """Return the figures before and after, the likeliest words, what was found, and all places."""
    head = f"Trained {result.task} in {result.seconds:.1f} s, {format_count(result.steps, 'step')}"
    if not result.new:
        head = (
            f"Nothing new: this {result.task} model was trained and compared before; siftset "
            "compare compares it again, --fresh trains it again"
        )
    old, new = result.metrics.get("before", {}), result.metrics.get("after", {})
    lines = [head, "", f"  {'':<20}{'before':>12}{'after':>12}"]
    for name in dict.fromkeys([*old, *new]):
        figures = f"{_format_figure(old.get(name))}{_format_figure(new.get(name))}"
        lines.append(f"  {name:<20}{figures}")
    comparison = None
    with suppress(OSError, ValidationError):
        text = (result.model / COMPARE_JSON).read_bytes()
        comparison = Comparison.model_validate_json(text)
    if comparison is not None:
        lines += _describe_forgetting(comparison.forgetting)
        if comparison.mlm is not None:
            lines += [
                f"  {_MASSES[one.name]:<20}{one.before:>12.2%}{one.after:>12.2%}"
                for one in comparison.mlm.mass
                if one.name in _MASSES and one.before is not None and one.after is not None
            ]
            lines += ["", *_list_prompts(comparison.mlm)]
        lines += [*_list_folds(comparison.trials.folds), *_list_trials(comparison.trials.search)]
    if result.untrained_head:
        before = "the head of the model before was newly initialised: its answers are noise."
        if comparison is not None and comparison.before_kind == "linear probe":
            before = (
                "before: a linear probe on the untouched encoder, as the model's own head is new."
            )
        lines += ["", f"  NOTE: {before}"]
    told = (f for f in result.findings if f.level != "note" and f.name != _UNTRAINED)
    lines += [f"  {f.level}: {f.message}" for f in told]
    return "\n".join([*lines, "", f"  model     {result.model}", f"  report    {result.report}"])


def _describe_forgetting(found: Forgetting | None) -> Iterator[str]:
    """Yield perplexity on general text, and what the gate says of its rise."""
    if found is None or found.general is None or found.increase is None:
        return
    gate = "" if found.limit is None else f", at most {found.limit:+.0%} wanted: {found.verdict}"
    figures = _format_figure(found.general.before) + _format_figure(found.general.after)
    yield f"  {'on general text':<20}{figures}  perplexity {found.increase:+.1%}{gate}"


def _list_folds(found: Sequence[FoldFigure]) -> Iterator[str]:
    """Yield the figures of cross-validation."""
    if found:
        each = format_count(len(found[0].values), "fold")
        yield from ("", f"  {'cross-validation':<20}{'mean':>12}{'deviation':>12}  {each}")
    for one in found:
        values = " ".join(_format_figure(value).strip() for value in one.values)
        yield f"  {one.name:<20}{_format_figure(one.mean)}{_format_figure(one.deviation)}  {values}"


def _list_trials(found: SearchFound | None) -> Iterator[str]:
    """Yield the settings that were tried before training, the best ones marked."""
    if found is None:
        return
    yield from ("", f"  {'search':<20}{found.metric:>12}  settings tried on validation")
    for one in found.trials:
        chosen = "  chosen" if one.settings == found.chosen else ""
        yield f"  {'':<20}{_format_figure(one.value)}  {one.describe()}{chosen}"


def _list_prompts(found: MlmComparison) -> Iterator[str]:
    for prompt in found.prompts:
        yield f"  {prompt.prompt}"
        for mask in prompt.masks:
            number = f" {mask.mask + 1}" if len(prompt.masks) > 1 else ""
            yield f"    before{number:<3} {_list_tokens(mask.before)}"
            yield f"    after{number:<3}  {_list_tokens(mask.after)}"


def _list_tokens(tokens: Sequence[Token]) -> str:
    return "  ".join(f"{one.token} {one.probability:.1%}" for one in tokens[:TOP])


def _format_figure(value: float | None) -> str:
    if value is None:
        return f"{'-':>12}"
    return f"{value:>12,.0f}" if abs(value) >= _LARGE else f"{value:>12.4g}"
