"""Checks of what a recipe says of files against what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.streams import text_blocks
from siftset.schemas.errors import RecipeError, SourceError, name_some
from siftset.schemas.recipe.delimited import DelimitedText
from siftset.schemas.recipe.source import Files

if TYPE_CHECKING:
    from siftset.pipeline.sources.formats.quotes import Grammar

_ASKED: Final = 16
"""Files of a source whose first lines are looked at."""


def check_keys(file: InputFile, config: Files) -> None:
    """Refuse keys that only other formats know; raise RecipeError."""
    given = config.model_fields_set & (DelimitedText.model_fields.keys() - {"delimiter"})
    if config.sheet is not None and file.format != "excel":
        raise RecipeError(
            f"source.files.sheet: is for spreadsheets, and {file.path} is {file.format}: remove "
            "the key, or read the file as a source of its own"
        )
    if file.format in ("csv", "tsv"):
        return
    if file.format == "excel":
        given -= {"header", "columns", "skip_lines", "dtypes"}
    if config.partitions == "hive":
        given -= {"dtypes"}
    if file.format not in ("parquet", "arrow", "excel"):
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
                f"source.files.dtypes: no column '{name}' in {file}; it has {name_some(known)}"
            )


def warn_of_dialect(files: Sequence[InputFile], config: Files) -> Iterator[str]:
    """Say where a first line reads like a record, and where quotes swallow lines.

    Only where the recipe leaves it open; what is read is the same. The first files speak for all.
    """
    for file in files[:_ASKED]:
        if file.format not in ("csv", "tsv"):
            continue
        from siftset.pipeline.sources.sniff.dialect import START

        start = next(text_blocks(file, size=START), b"")
        is_cut = len(start) >= START
        lines = start[: start.rfind(b"\n") + 1] if is_cut else start
        text = lines.decode(errors="ignore").removeprefix("\ufeff")
        body = text.split("\n", config.skip_lines)[-1] if config.skip_lines else text
        if config.header and "header" not in config.model_fields_set:
            yield from _warn_of_header(file, config, body, is_cut=is_cut)
        if "quote" not in config.model_fields_set and config.quote in body:
            yield from _warn_of_quotes(file, config, body)


def _warn_of_header(file: InputFile, config: Files, body: str, *, is_cut: bool) -> Iterator[str]:
    from siftset.pipeline.sources.sniff.dialect import read_fields
    from siftset.pipeline.sources.sniff.header import count_header_votes

    first, *rows = read_fields(_grammar(file, config), body, is_cut=is_cut) or [()]
    votes = count_header_votes(first, rows)
    if votes.total <= -3:
        reason = min(votes.votes, key=lambda vote: vote.weight == -1 or vote.weight > 0)
        yield (
            f"{file.path}: line {config.skip_lines + 1} reads like a record, not like column names "
            f"({reason.short or reason.reason}): set source.files.header: false, or true to say "
            "that it is a header"
        )


def _warn_of_quotes(file: InputFile, config: Files, body: str) -> Iterator[str]:
    lines = [line for line in body.split("\n") if line.strip()]
    delimiter = config.delimiter_of(file.format)
    widths = {line.count(delimiter) + 1 for line in lines}
    if len(widths) > 1 or widths == {1}:
        return
    at = config.skip_lines
    for split in _grammar(file, config).split_records([body.encode()]):
        for number in range(len(split.records)):
            inside = split.records.raw_bytes(number).count(b"\n")
            if inside and number not in split.flaws:
                yield (
                    f"{file.path}: a quote opens in line {at + 1} and closes in line "
                    f"{at + 1 + inside}, and every line has {widths.pop()} fields by itself: if "
                    "quotes are text, set source.files.quote: none"
                )
                return
            at += inside + 1


def _grammar(file: InputFile, config: Files) -> Grammar:
    from siftset.pipeline.sources.formats.quotes import Grammar

    return Grammar(
        config.delimiter_of(file.format),
        config.max_record_bytes,
        quote=config.quote_mark,
        escape=config.escape_mark,
        comment=config.comment,
    )
