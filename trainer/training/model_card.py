"""The model card: what the model is, where its data came from, what changed, what it cannot do."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import Change, Comparison, Interval
from siftset.schemas.results.lineage import Lineage
from siftset.schemas.results.summary import TrainResult
from siftset.schemas.results.trials import Trials
from siftset.schemas.tasks import TASKS

LIBRARIES: Final = (
    "siftset",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "peft",
    "polars",
)

_UPSTREAM: Final = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
_LICENSES: Final = {"minilm": "apache-2.0"}

CAME_FROM: Final = "## Where its data came from"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that the card tells."""

    config: Train
    seed: int
    lineage: Lineage
    result: TrainResult
    comparison: Comparison | None = None
    revision: str | None = None
    """The commit of the base model that was loaded; default: what the recipe names."""


def write_card(folder: Path, facts: CardFacts) -> Path:
    """Write README.md into a model's folder; it appears whole. Returns its path."""
    path = folder / "README.md"
    part = folder / ".README.md.part"
    part.write_text(hide_values(render_card(facts)), encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105
    return path


def render_card(facts: CardFacts) -> str:
    """Return the card: the hub's YAML front matter, then Markdown."""
    parts = [f"---\n{_front_matter(facts)}---", *_write_sections(facts)]
    return "\n\n".join(parts) + "\n"


def _front_matter(facts: CardFacts) -> str:
    from ruamel.yaml import YAML

    model, task = facts.config.model, facts.config.task
    data: dict[str, JsonValue] = {
        "library_name": "transformers",
        "pipeline_tag": TASKS[task].pipeline,
        "tags": ["siftset", f"siftset-{task}"],
    }
    if model in _LICENSES:
        data["license"] = _LICENSES[model]
    base = _UPSTREAM.get(model, model)
    if not Path(model).exists() and base.count("/") == 1:
        data["base_model"] = base
    metrics: list[JsonValue] = [
        {"type": name, "name": name, "value": round(value, 6)}
        for name, value in facts.result.metrics.get("after", {}).items()
        if value is not None
    ]
    if metrics:
        name = facts.lineage.recipe or "siftset"
        dataset: JsonValue = {"name": f"{name}, held-out rows", "type": "siftset"}
        asked: JsonValue = {"type": TASKS[task].pipeline}
        results: JsonValue = [{"task": asked, "dataset": dataset, "metrics": metrics}]
        data["model-index"] = [{"name": name, "results": results}]
    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(data, out)
    return out.getvalue()


def _write_sections(facts: CardFacts) -> Iterator[str]:
    yield f"# {_escape(facts.lineage.recipe or 'A model')}"
    kind = TASKS[facts.config.task].pipeline
    yield (
        f"A {kind} model, fine-tuned from `{_escape(facts.config.model)}` by siftset on a curated "
        "and validated retraining set."
    )
    if facts.result.untrained_head:
        yield _warn_of_head(facts)
    findings = [f for f in facts.result.findings if f.level != "note"]
    if findings:
        yield "\n".join(f"- {f.level}: {_escape(f.message)}" for f in findings)
    forgetting = None if facts.comparison is None else facts.comparison.forgetting
    if forgetting is not None and forgetting.verdict == "fail":
        yield (
            f"> **It forgot general text**: perplexity rose by {forgetting.increase or 0:.1%}, "
            f"more than the {forgetting.limit or 0:.1%} that the recipe allows."
        )
    yield "## What changed"
    yield from _write_changes(facts)
    yield CAME_FROM
    yield markdown_table(("", ""), _lineage_rows(facts))
    yield "## How it was trained"
    yield markdown_table(("", ""), _training_rows(facts))
    if facts.comparison is not None:
        yield from _write_trials(facts.comparison.trials)
    yield "## Limits"
    yield TASKS[facts.config.task].limits


def _warn_of_head(facts: CardFacts) -> str:
    weights = f"({len(facts.result.untrained_head)} weights that no file held)"
    said = f"> **The head of the base model was newly initialised** {weights}. "
    if facts.comparison is not None and facts.comparison.before_kind == "linear probe":
        return said + "So the figures before are of a linear probe on its frozen features."
    return said + (
        "What the model before said is noise: the figures before show an untrained head, not a "
        "worse model."
    )


def _write_changes(facts: CardFacts) -> Iterator[str]:
    comparison = facts.comparison
    if comparison is None or not comparison.changes:
        yield "It was not compared with the model before."
        return
    yield (
        f"Both were asked the same {format_count(comparison.questions.rows, 'held-out row')} "
        f"(questions `{comparison.questions.hash[:12]}`). Before: {comparison.before_kind}, "
        f"`{_escape(comparison.before.name)}`."
    )
    yield markdown_table(
        ("Metric", "Before", "After", "Difference", "Interval", "Verdict"),
        [_change_row(one) for one in comparison.changes],
    )
    if comparison.mlm is not None and comparison.mlm.mass:
        yield "Probability on word lists, mean over the masks of the prompts:"
        yield markdown_table(
            ("List", "Before", "After", "Difference", "Interval", "Verdict"),
            [_change_row(one) for one in comparison.mlm.mass],
        )


def _change_row(one: Change) -> tuple[str, ...]:
    return (
        one.name,
        format_figure(one.before),
        format_figure(one.after),
        format_figure(one.difference),
        format_interval(one.interval),
        one.verdict,
    )


def _lineage_rows(facts: CardFacts) -> list[tuple[str, ...]]:
    lineage = facts.lineage
    rows = ", ".join(f"{split} {n:,}" for split, n in lineage.rows.items()) or "not counted"
    leaks = "; ".join(f"{split}: {found}" for split, found in lineage.leaks.items())
    return [
        ("Recipe", f"`{_escape(lineage.recipe)}` (hash `{lineage.recipe_hash}`)"),
        ("Set", f"version {_escape(lineage.named_version)}, run `{_escape(lineage.run_id)}`"),
        ("Formula", f"`{_escape(lineage.formula)}` (hash `{lineage.formula_hash}`)"),
        ("Rows", rows),
        ("Rows in two splits", _escape(leaks) or "not counted"),
        ("Row by row", "`row_id` and `source` of every row are columns of that version"),
    ]


def _training_rows(facts: CardFacts) -> list[tuple[str, ...]]:
    config, result = facts.config, facts.result
    revision = facts.revision or config.revision
    at = f" at `{revision}`" if revision else ""
    length = (
        f"{format_count(config.max_steps, 'step')} at most"
        if config.max_steps
        else f"{config.epochs:g} epochs"
    )
    hardware = ", ".join(
        f"{name} {value}"
        for name, value in result.hardware.items()
        if name in ("name", "device", "threads", "precision", "attention", "processes")
    )
    chosen = config.method
    method = (
        chosen
        if isinstance(chosen, str)
        else ", ".join(f"{name} {value}" for name, value in chosen.model_dump().items())
    )
    return [
        ("Base model", f"`{_escape(config.model)}`{at}"),
        ("Task and method", f"{config.task}, {method}"),
        (
            "Budget",
            f"{length}, {format_count(result.steps, 'step')} done, batches of {config.batch_size}",
        ),
        ("Learning rate", f"{config.learning_rate:g}, {config.lr_scheduler_type}"),
        ("Longest input", format_count(config.max_length, "token")),
        ("Seed", str(facts.seed)),
        (
            "Speed",
            f"{format_count(result.tokens_per_second, 'token')}/s, {result.seconds:,.0f} s in all",
        ),
        ("Hardware", _escape(hardware) or "not recorded"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in library_versions().items())),
    ]


def _write_trials(trials: Trials) -> Iterator[str]:
    if trials.search is not None:
        found = trials.search
        yield "Settings were searched; the chosen ones are those above:"
        rows: list[tuple[str, ...]] = []
        for one in found.trials:
            chosen = "chosen" if one.settings == found.chosen else ""
            rows.append((one.describe(), format_figure(one.value), chosen))
        yield markdown_table(("Settings", found.metric, ""), rows)
    if trials.folds:
        folds = len(trials.folds[0].values)
        yield f"Cross-validation over {format_count(folds, 'fold')} of train and validation:"
        header = ("Metric", "Mean", "Standard deviation", "Each fold")
        rows = []
        for fold in trials.folds:
            each = ", ".join(map(format_figure, fold.values))
            rows.append((fold.name, format_figure(fold.mean), format_figure(fold.deviation), each))
        yield markdown_table(header, rows)


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that made the model."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(text: str) -> str:
    """Return text that cannot leave its cell, its line or its code span, or become markup."""
    kept = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return kept.replace("<", "&lt;").replace(">", "&gt;")


def format_figure(value: float | None) -> str:
    """Return a figure in four significant digits."""
    return "" if value is None else f"{value:.4g}"


def format_interval(interval: Interval | None) -> str:
    """Return an interval and its level."""
    if interval is None:
        return ""
    return f"{interval.low:.4g} to {interval.high:.4g} ({interval.level:.0%})"
