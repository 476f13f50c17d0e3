"""A project to start from: a recipe, a signal of one's own, and data to run on at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.schemas.errors import OutputError, RecipeError, SourceError

RECIPE: Final = "recipe.yaml"
DEFAULT: Final = "reviews"
_FOLDER: Final = "templates"
_SIGNALS: Final = "signals_mine.py"
_SNIFFED: Final = 2_000
_SHOWN: Final = 5
_LABELS: Final = (
    "label", "labels", "sentiment", "stars", "rating", "score", "class", "category",
    "team", "queue", "topic", "priority", "intent",
)  # fmt: skip
_IDS: Final = ("id", "row_id", "uid", "uuid", "key")


@dataclass(frozen=True, slots=True)
class Project:
    """What was made."""

    folder: Path
    files: tuple[str, ...]
    kept: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    columns: dict[str, str | None] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        for name in self.files:
            yield f"wrote     {self.folder / name}"
        if self.columns:
            told = ", ".join(f"{k}: {v}" for k, v in self.columns.items() if v is not None)
            yield f"columns   {told}"
        for text in self.kept:
            yield f"kept      {text}"
        for text, clause in self.rejected:
            yield f"rejected  {text}   because of  {clause}"
        yield f"next      siftset curate {self.folder / RECIPE}"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {
            "folder": str(self.folder),
            "files": list(self.files),
            "columns": dict(self.columns),
            "kept": list(self.kept),
            "rejected": [{"text": text, "clause": clause} for text, clause in self.rejected],
        }


def known_templates() -> tuple[str, ...]:
    """Return the names of the templates."""
    shipped = resources.files("siftset.data").joinpath(_FOLDER)
    return tuple(sorted(entry.name for entry in shipped.iterdir() if entry.is_dir()))


def init_project(folder: Path, template: str = DEFAULT) -> Project:
    """Write an example project; raises OutputError where one of its files is there already."""
    return Project(folder, _write_files(folder, _read_template(template)))


def init_from(folder: Path, data: Path, template: str = DEFAULT) -> Project:
    """Write a recipe that runs on `data`, from the names and contents of its columns."""
    shipped = _read_template(template)
    if not data.is_file():
        raise SourceError(f"{data}: no such file, expected data such as reviews.csv")
    columns = sniff_columns(data, pairs="column: question" in shipped[RECIPE])
    text = _fill_recipe(shipped[RECIPE], folder.resolve().name, data.resolve(), columns)
    files = _write_files(folder, {RECIPE: text, _SIGNALS: shipped[_SIGNALS]})
    from siftset.pipeline.run.job import load_job

    job = load_job(folder / RECIPE, limit=_SNIFFED)
    frame = pl.concat([b.frame for shard in job.sources.shards for b in shard.read_batches()])
    good = frame.filter(~job.rules.failing()) if job.rules.columns else frame
    decisions = job.decider.decide(good)
    keep = decisions.keep.fill_null(False)
    told = good.with_columns(clause=decisions.clause)
    kept = tuple(_cut(one) for one in told.filter(keep)["text"].head(_SHOWN))
    others = told.filter(~keep).select("text", "clause").head(_SHOWN).rows()
    rejected = tuple((_cut(one), str(clause)) for one, clause in others)
    return Project(folder, files, kept, rejected, columns)


def _read_template(template: str) -> dict[str, str]:
    known = known_templates()
    if template not in known:
        raise RecipeError(
            f"--template {template}: no such template, expected one of {', '.join(known)}"
        )
    folder = resources.files("siftset.data").joinpath(_FOLDER, template)
    return {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.is_file()}


def sniff_columns(data: Path, *, pairs: bool = False) -> dict[str, str | None]:
    """Tell which columns of a file hold text, label and id, from its first rows.

    With `pairs` the text is the answer of a question, which must be there too.
    """
    from siftset.pipeline.sources.files import open_files
    from siftset.schemas.recipe.source import Files

    opened = open_files(Files(paths=(str(data.resolve()),)), Path.cwd())
    block = next(opened.files[0].parts[0].read_records(), None)
    frame = pl.DataFrame() if block is None else block.frame.head(_SNIFFED)
    names = [n for n, dtype in frame.schema.items() if dtype == pl.String]
    if not names:
        raise SourceError(f"{data}: no column holds text, it has {', '.join(frame.columns)}")
    length = frame.select(pl.col(names).str.len_chars().mean().fill_null(0)).row(0, named=True)
    longest = max(names, key=lambda name: float(length[name]))
    pair = _find_pair(data, names) if pairs else {"text": longest}
    text = pair["text"]
    named = [c for c in frame.columns if c.lower() in _LABELS and c != text]
    few = [c for c in named if frame[c].n_unique() <= 20]
    return {**pair, "label": few[0] if few else None, "id": _find_id(frame, text)}


def _find_pair(data: Path, names: Sequence[str]) -> dict[str, str]:
    from siftset.trainer.tasks.templates import PAIRS

    here = {name.lower(): name for name in names}
    for question, answer in PAIRS:
        if question in here and answer in here:
            return {"text": here[answer], "question": here[question]}
    expected = " or ".join(dict.fromkeys(f"{one} and {two}" for one, two in PAIRS))
    raise SourceError(
        f"{data}: no columns of questions and answers, expected {expected}; it has "
        f"{', '.join(names)}"
    )


def _find_id(frame: pl.DataFrame, text: str) -> str | None:
    for name in frame.columns:
        low = name.lower()
        is_named = low in _IDS or low.endswith(("_id", "-id"))
        if is_named and name != text and frame[name].null_count() == 0:
            return name if frame[name].n_unique() == frame.height else None
    return None


def _fill_recipe(template: str, name: str, data: Path, columns: Mapping[str, str | None]) -> str:
    head, rest = template.split("source:\n", 1)
    tail = rest[rest.index("\n\n") :]
    question = columns.get("question")
    mapped = "".join(
        f", {key}: {json.dumps(value)}"
        for key, value in columns.items()
        if value and key != "question"
    )
    if question and question != "question":
        renamed = f"prepare: {{columns: {{question: {json.dumps(question)}}}, "
        tail = tail.replace("prepare: {", renamed, 1)
    source = f"source:\n  files: {{paths: [{json.dumps(str(data))}]{mapped}}}"
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).lstrip("._-") or "mine"
    lines = [f"name: {safe}" if line.startswith("name:") else line for line in head.splitlines()]
    return "\n".join(lines) + f"\n{source}{tail}"


def _write_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise OutputError(
            f"{folder / taken[0]} is there already: nothing was written; choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror})") from error
    return tuple(sorted(files))


def _cut(text: object, width: int = 90) -> str:
    shown = " ".join(str(text).split())
    return shown if len(shown) <= width else shown[: width - 3] + "..."
