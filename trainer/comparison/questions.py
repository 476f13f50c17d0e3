"""The frozen questions: prompts, held-out rows, general text, and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import polars as pl

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.train import Compare
from siftset.trainer.comparison.slices import check_slices
from siftset.trainer.data.chat import ChatTemplate
from siftset.trainer.tasks.templates import Template


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question; `target` is the word (or answer) hoped for, `against` the one feared."""

    text: str
    target: str | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class QuestionSet:
    """Everything that both models are asked; `train` and `class_weights` serve the baselines alone.

    `rows` and `golden` have the columns text and row_id, classification also label, causal also
    prompt and answer; further columns serve as slices.
    """

    rows: pl.DataFrame
    prompts: tuple[Prompt, ...] = ()
    golden: pl.DataFrame | None = None
    general: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    train: pl.DataFrame | None = None
    class_weights: Mapping[str, float] = field(default_factory=dict)
    cut: int = 0
    seed: int = 0
    settings: dict[str, str | int | float] = field(default_factory=dict)
    chat: ChatTemplate | None = None
    """The template that prompts and answers are written with, where they are conversations."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """What a reader is shown of a prompt, where that is not all of it."""

    def content_hash(self) -> str:
        """Return the hash of every text, label and setting that the answers depend on."""
        digest = hashlib.sha256(json.dumps([self.seed, self.settings], sort_keys=True).encode())
        for prompt in self.prompts:
            digest.update(repr((prompt.text, prompt.target, prompt.against)).encode())
        for frame in (self.rows, self.golden):
            digest.update(b"\0rows")
            if frame is not None:
                asked = [c for c in _ASKED if c in frame.columns]
                for row in frame.select(asked).iter_rows():
                    digest.update(repr(row).encode())
        for texts in (self.general, self.outside):
            digest.update(b"\0texts")
            for text in texts:
                digest.update(repr(text).encode())
        return digest.hexdigest()


_ASKED = ("row_id", "text", "label", "prompt", "answer")


def gather_questions(
    compare: Compare,
    rows: pl.DataFrame,
    *,
    folder: Path,
    seed: int = 0,
    train: pl.DataFrame | None = None,
) -> QuestionSet:
    """Collect what a recipe asks; paths are relative to `folder`.

    Rows are asked in the order of their row_id, so that neither the answers nor the resamples of
    them depend on how the rows lie in files. Of more than `max_rows` the first are asked: a row_id
    is a hash, so this is a random sample. Raises RecipeError for a slice that they do not have.
    """
    check_slices(rows, compare.slices)
    if compare.group is not None and compare.group not in rows.columns:
        raise RecipeError(
            f"compare.group: the rows have no column '{compare.group}', expected one of "
            f"{', '.join(rows.columns)}"
        )
    asked = rows.filter(pl.col("text").is_not_null())
    if "row_id" in asked.columns:
        asked = asked.sort("row_id")
    if compare.max_rows is not None:
        asked = asked.head(compare.max_rows)
    return QuestionSet(
        rows=asked,
        prompts=read_prompts(compare, folder),
        golden=read_golden(compare, folder),
        general=tuple(_read_general(compare, folder)),
        outside=compare.outside,
        train=train,
        cut=rows.height - asked.height,
        seed=seed,
        settings={"max_new_tokens": compare.max_new_tokens, "generated": compare.generated},
    )


def write_pairs(questions: QuestionSet, template: Template | None) -> QuestionSet:
    """Write the prompts and answers of causal rows, as in training.

    Prompts of the recipe are put in the template where it asks for one column alone. Golden rows
    that lack its columns stay as they are.
    """
    if template is None:
        return questions
    places = template.columns[:-1]

    def write_rows(frame: pl.DataFrame) -> pl.DataFrame:
        if not set(template.columns) <= set(frame.columns):
            return frame
        rows = [row for row in frame.iter_rows(named=True) if row[template.answer]]
        return frame.filter(
            pl.col(template.answer).cast(pl.String).fill_null("") != ""
        ).with_columns(
            prompt=pl.Series([template.ask(row) for row in rows], dtype=pl.String),
            answer=pl.Series([template.reply(row) for row in rows], dtype=pl.String),
        )

    def write_prompt(text: str) -> str:
        return template.ask({places[0]: text}) if len(places) == 1 else text

    return replace(
        questions,
        rows=write_rows(questions.rows),
        golden=None if questions.golden is None else write_rows(questions.golden),
        prompts=tuple(
            replace(prompt, text=write_prompt(prompt.text)) for prompt in questions.prompts
        ),
        outside=tuple(map(write_prompt, questions.outside)),
    )


def read_prompts(compare: Compare, folder: Path) -> tuple[Prompt, ...]:
    """Return the prompts of a recipe and of its file."""
    written = [Prompt(text) for text in compare.prompts]
    if compare.prompts_file is None:
        return tuple(written)
    text = read_resource(compare.prompts_file, "prompts", folder)
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("{"):
            written.append(_parse_prompt(line, f"{compare.prompts_file}:{number}"))
        elif line.strip() and not line.startswith("#"):
            written.append(Prompt(line))
    return tuple(written)


def read_resource(name: str, kind: str, folder: Path) -> str:
    """Return the text of a file, or of the shipped one of that name under data/`kind`."""
    path = folder / name
    if path.is_file():
        return path.read_text(encoding="utf-8")
    shipped = files("siftset.data") / kind
    for ending in ("", ".jsonl", ".txt"):
        candidate = shipped / f"{name}{ending}"
        if "/" not in name and candidate.is_file():
            return candidate.read_text(encoding="utf-8")
    key = {"prompts": "prompts_file", "texts": "general"}[kind]
    raise RecipeError(
        f"compare.{key}: no file '{path}', and no shipped {kind} of the name '{name}'"
    )


def _parse_prompt(line: str, place: str) -> Prompt:
    expected = "expected an object with text and, if wanted, target and against, all strings"
    try:
        read = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecipeError(f"{place}: broken JSON ({error.msg}); {expected}") from error
    keys = {"text", "target", "against"}
    if set(read) - keys or "text" not in read or not all(isinstance(v, str) for v in read.values()):
        raise RecipeError(f"{place}: {expected}")
    return Prompt(**read)


def read_golden(compare: Compare, folder: Path) -> pl.DataFrame | None:
    """Return the golden rows that a recipe names, None where it names none."""
    if compare.golden is None:
        return None
    frame = read_rows(folder / compare.golden, "compare.golden")
    if "text" not in frame.columns and "prompt" in frame.columns:
        frame = frame.with_columns(text=pl.col("prompt"))
    if "text" not in frame.columns:
        found = ", ".join(frame.columns)
        raise RecipeError(f"compare.golden: no column 'text' in {compare.golden}; it has {found}")
    if "row_id" not in frame.columns:
        frame = frame.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.String))
    return frame.filter(pl.col("text").is_not_null())


def _read_general(compare: Compare, folder: Path) -> Sequence[str]:
    if compare.general is None:
        return ()
    path = folder / compare.general
    if path.suffix == ".txt" and not path.is_file():
        raise RecipeError(f"compare.general: no file '{path}'")
    if path.suffix in ("", ".txt"):
        lines = read_resource(compare.general, "texts", folder).splitlines()
        return [line for line in lines if line.strip()]
    frame = read_rows(path, "compare.general")
    if "text" not in frame.columns:
        raise RecipeError(f"compare.general: no column 'text' in {path}")
    return frame["text"].drop_nulls().to_list()


def read_rows(path: Path, where: str) -> pl.DataFrame:
    """Read a Parquet, CSV or JSON Lines file; raise RecipeError where that fails."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": pl.read_csv,
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise RecipeError(f"{where}: '{path.name}' must end in {', '.join(readers)}")
    try:
        return reader(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"{where}: '{path}' cannot be read: {reason}") from error
