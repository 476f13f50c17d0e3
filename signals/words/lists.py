"""Word lists: shipped by name, or the user's text, CSV or Parquet file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import polars as pl

from siftset.schemas.errors import SignalError, first_line


def read_words(source: str, *, folder: Path, signal: str) -> tuple[str, ...]:
    """Read the entries of a list in their order, without repeats.

    A name without slash or ending is a shipped list; else a path relative to `folder`. Text files
    hold one entry a line, # begins a comment; CSV and Parquet files hold them in the column `word`
    or else in their first column. Raises SignalError for a list that is missing, empty or binary.
    """
    where = f"signal '{signal}': list '{source}'"
    if "/" not in source and "." not in source:
        resource = files("siftset.data") / "lists" / f"{source}.txt"
        if not resource.is_file():
            known = ", ".join(shipped_lists()) or "none"
            raise SignalError(
                f"{where} is not shipped; shipped: {known}; a file of your own needs its ending: "
                f"{source}.txt"
            )
        words = _decode_lines(resource.read_bytes(), where)
    else:
        words = _read_file(folder / source, where)
    kept = tuple(dict.fromkeys(word for word in map(str.strip, words) if word))
    if not kept:
        raise SignalError(f"{where} is empty; expected at least one word or phrase")
    return kept


def shipped_lists() -> list[str]:
    """Name the lists that ship with siftset."""
    folder = files("siftset.data") / "lists"
    if not folder.is_dir():
        return []
    found = (item.name for item in folder.iterdir())
    return sorted(name.removesuffix(".txt") for name in found if name.endswith(".txt"))


def _read_file(path: Path, where: str) -> list[str]:
    if not path.is_file():
        raise SignalError(f"{where}: there is no such file; expected {path}")
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv", ".parquet"):
        try:
            if ending == ".parquet":
                frame = pl.read_parquet(path)
            else:
                separator = "\t" if ending == ".tsv" else ","
                frame = pl.read_csv(path, separator=separator, infer_schema=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SignalError(f"{where} cannot be read: {first_line(error)}") from error
        column = "word" if "word" in frame.columns else frame.columns[0]
        if frame[column].dtype != pl.String:
            raise SignalError(
                f"{where}: column '{column}' is {frame[column].dtype}, expected texts"
            )
        words: list[str] = frame[column].drop_nulls().to_list()
        return words
    try:
        return _decode_lines(path.read_bytes(), where)
    except OSError as error:
        raise SignalError(f"{where} cannot be read: {first_line(error)}") from error


def _decode_lines(content: bytes, where: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SignalError(f"{where} is not a text file; expected UTF-8, one word or phrase a line")
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]
