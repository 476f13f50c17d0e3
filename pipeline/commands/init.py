"""A project to start from: a recipe, a signal of one's own, and data to run on at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.init_recipe import fill_recipe
from siftset.pipeline.commands.init_source import SourceGuess, guess_source
from siftset.schemas.errors import OutputError, RecipeError, SiftsetError, SourceError

RECIPE: Final = "recipe.yaml"
DEFAULT: Final = "reviews"
_TEMPLATES: Final = "templates"
_SHAPES: Final = "shapes"
_SIGNALS: Final = "signals_mine.py"
_TRIED: Final = 2_000
_SHOWN: Final = 5
_ENOUGH: Final = 0.2
"""Share of rows that a template keeps if it fits the data."""


@dataclass(frozen=True, slots=True)
class Project:
    """What was made."""

    folder: Path
    files: tuple[str, ...]
    kept: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    source: SourceGuess | None = None
    template: str = DEFAULT

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        for name in self.files:
            yield f"wrote     {self.folder / name}"
        if self.source is not None:
            yield from self.source.lines()
        for text in self.kept:
            yield f"kept      {text}"
        for text, clause in self.rejected:
            yield f"rejected  {text}   because of  {clause}"
        yield f"next      siftset curate {self.folder / RECIPE}"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        found: dict[str, JsonValue] = {
            "folder": str(self.folder),
            "files": list(self.files),
            "template": self.template,
            "columns": {},
            "kept": list(self.kept),
            "rejected": [{"text": text, "clause": clause} for text, clause in self.rejected],
        }
        return found if self.source is None else found | self.source.to_json()


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a recipe does to the first rows."""

    kept: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    share: float = 1.0


def known_templates() -> tuple[str, ...]:
    """Return the names of the templates."""
    shipped = resources.files("siftset.data").joinpath(_TEMPLATES)
    return tuple(sorted(entry.name for entry in shipped.iterdir() if entry.is_dir()))


def init_project(folder: Path, template: str = DEFAULT) -> Project:
    """Write an example project; raises OutputError where one of its files is there already."""
    files = _write_files(folder, _read_template(template))
    return Project(folder, files, template=template)


def init_from(folder: Path, data: Path, template: str | None = None) -> Project:
    """Write a recipe that runs on `data`, a file or a folder, from what it holds.

    Without a template its shape chooses one. Nothing is left behind where the recipe cannot run.
    """
    if template is not None:
        _read_template(template)
    if not data.exists():
        raise SourceError(f"{data}: no such file or folder; expected data such as reviews.csv")
    source = guess_source(data)
    if template == "answers" and not source.shape.has_messages:
        raise SourceError(
            f"{data}: no columns of questions and answers, expected question and answer or "
            f"instruction and output or a list of messages; it has {', '.join(source.names)}"
        )
    chosen = template or ("answers" if source.shape.has_messages else DEFAULT)
    project, share = _write_project(folder, data, source, chosen)
    if template is None and chosen == DEFAULT and share < _ENOUGH:
        # a recipe for opinions in English has little to keep here
        _remove_files(folder, project.files)
        project, _ = _write_project(folder, data, source, "texts")
    return project


def _write_project(
    folder: Path, data: Path, source: SourceGuess, template: str
) -> tuple[Project, float]:
    """Write the files and try them; return the project and the share of rows that it keeps."""
    if template == "answers":
        shipped = _read_folder(_SHAPES, "conversations")
    elif template == "texts":
        shipped = _read_folder(_SHAPES, "texts")
    else:
        shipped = _read_template(template)
    was_there = folder.exists()
    text = fill_recipe(shipped[RECIPE], folder, data, source)
    files = _write_files(folder, {RECIPE: text, _SIGNALS: shipped[_SIGNALS]})
    try:
        trial = _try_recipe(folder / RECIPE)
    except SiftsetError:
        _remove_files(folder, files)
        if not was_there:
            folder.rmdir()
        raise
    return Project(folder, files, trial.kept, trial.rejected, source, template), trial.share


def _try_recipe(recipe: Path) -> _Trial:
    """Decide about the first rows."""
    from siftset.pipeline.run.job import load_job

    job = load_job(recipe, limit=_TRIED)
    frame = pl.concat(job.read_frames(job.sources.shards))
    good = frame.filter(~job.rules.failing()) if job.rules.columns else frame
    decisions = job.decider.as_written().decide(good)
    keep = decisions.keep.fill_null(False)
    told = good.with_columns(clause=decisions.clause)
    kept = tuple(_cut(one) for one in told.filter(keep)["text"].head(_SHOWN))
    others = told.filter(~keep).select("text", "clause").head(_SHOWN).rows()
    rejected = tuple((_cut(one), str(clause)) for one, clause in others)
    return _Trial(kept, rejected, int(keep.sum()) / max(1, len(keep)))


def _read_template(template: str) -> dict[str, str]:
    known = known_templates()
    if template not in known:
        raise RecipeError(
            f"--template {template}: no such template, expected one of {', '.join(known)}"
        )
    return _read_folder(_TEMPLATES, template)


def _read_folder(*names: str) -> dict[str, str]:
    folder = resources.files("siftset.data").joinpath(*names)
    return {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.is_file()}


def _write_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise OutputError(
            f"{folder / taken[0]} exists already: nothing was written; choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror})") from error
    return tuple(sorted(files))


def _remove_files(folder: Path, files: tuple[str, ...]) -> None:
    for name in files:
        (folder / name).unlink(missing_ok=True)


def _cut(text: object, width: int = 90) -> str:
    shown = " ".join(str(text).split())
    return shown if len(shown) <= width else shown[: width - 3] + "..."
