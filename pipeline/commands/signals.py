"""Signals looked at by themselves: what there is, what one does, whether a user's own hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.explain import Explained
from siftset.schemas.errors import SiftsetError, SourceError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Files, Source
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse
from siftset.signals.laws import Law, check_laws
from siftset.signals.plugins import signals_in
from siftset.signals.registry import build_for, find_kind, load_kinds
from siftset.signals.signal import Signal

_SHOWN = 5
_DEFAULT_ROWS = 10_000


def list_kinds() -> Explained:
    """List the kinds of signals, built in and from plug-ins."""
    lines, facts = [], {}
    for name, kind in load_kinds().items():
        if isinstance(kind, SiftsetError):
            said = f"cannot be loaded: {kind}"
        else:
            said = kind.description.splitlines()[0] if kind.description else ""
        lines.append(f"{name:<24}{said}")
        facts[name] = said
    return Explained("\n".join(lines), dict(facts))


def show_kind(name: str) -> Explained:
    """Tell a kind's parameters, definition and examples."""
    kind = find_kind(name)
    if isinstance(kind, Signal):
        return Explained(f"{name}: {kind.description}", {"name": name, "text": kind.description})
    lines = [f"{name}: {kind.description}", "", "parameters"]
    parameters: dict[str, JsonValue] = {}
    for key, info in kind.parameters.model_fields.items():
        default = "required" if info.is_required() else f"default {info.get_default()!r}"
        lines.append(f"  {key:<16}{default:<20}{info.description or ''}".rstrip())
        parameters[key] = default
    lines += ["", "examples"]
    for sample in kind.examples:
        given = ", ".join(f"{key}: {value!r}" for key, value in sample.parameters.items())
        lines.append(f"  {{{given}}}  {sample.value!r}  ->  {sample.expected!r}")
    lines += ["", f"nulls: {kind.nulls}", f"definition: {kind.definition}"]
    facts: dict[str, JsonValue] = {
        "name": name,
        "text": kind.description,
        "parameters": parameters,
        "definition": kind.definition,
    }
    return Explained("\n".join(lines), facts)


def try_formula(
    text: str, data: Path, *, column: str = "text", sample: int | None = None
) -> Explained:
    """Decide the rows of a file by a formula, or by signals written out in it; show some."""
    formula = parse(text)
    # A name in a formula stands for the kind of that name, without parameters.
    known = load_kinds()
    bare: dict[str, dict[str, JsonValue]] = {
        name: {name: {}} for name in formula.names if name in known
    }
    decider = Decider(formula, build_for(formula, bare, folder=Path.cwd()))
    frame = read_some(data, column=column, rows=sample or _DEFAULT_ROWS)
    decider.check(frame.schema)
    decisions = decider.decide(frame)
    keep = decisions.keep
    kept, unknown = int(keep.fill_null(False).sum()), keep.null_count()
    of = format_count(frame.height, "row")
    lines = [f"{kept:,} of {of} kept ({kept / max(frame.height, 1):.1%}), {unknown:,} unknown"]
    for title, mask in (("kept", keep.fill_null(False)), ("not kept", ~keep.fill_null(False))):
        lines.append(title)
        for row in frame.filter(mask).head(_SHOWN)["text"]:
            shown = " ".join(str(row).split())
            lines.append(f"  {shown if len(shown) <= 100 else shown[:97] + '...'}")
    facts: dict[str, JsonValue] = {"rows": frame.height, "kept": kept, "unknown": unknown}
    return Explained("\n".join(lines), facts)


def read_some(data: Path, *, column: str = "text", rows: int = _DEFAULT_ROWS) -> pl.DataFrame:
    """Read the first rows of a file, its text under the name `text`."""
    from siftset.pipeline.sources import open_sources

    source = Source(files=Files(paths=(str(data),), text=column))
    recipe = Recipe(name="tryout", output="-", source=(source,), keep="-")
    sources = open_sources(recipe, Path.cwd(), limit=rows)
    frames = [batch.frame for shard in sources.shards for batch in shard.read_batches()]
    if not frames:
        raise SourceError(f"{data} has no rows, expected at least one")
    return pl.concat(frames)


@dataclass(frozen=True, slots=True)
class Tested:
    """Whether signals keep the laws."""

    laws: tuple[Law, ...]
    facts: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def broken(self) -> int:
        """How many laws are broken."""
        return sum(not law.holds for law in self.laws)


def check_signals(file: Path, *, data: Path | None = None) -> Tested:
    """Run the examples and the laws of the signals in a file, on `data` if it is given."""
    if not file.is_file():
        raise SourceError(f"{file}: no such file, expected Python with @signal functions")
    frame = read_some(data) if data is not None else _plain_rows()
    laws: list[Law] = []
    for signal in signals_in(file).values():
        given = set(signal.columns) <= set(frame.columns)
        laws += check_laws(signal, frame if given else _made_rows(signal, frame))
    facts: dict[str, JsonValue] = {
        "laws": [
            {"signal": law.signal, "name": law.name, "holds": law.holds, "detail": law.detail}
            for law in laws
        ]
    }
    return Tested(tuple(laws), facts)


def _plain_rows() -> pl.DataFrame:
    """Texts that trip careless signals: empty, blank, long, foreign, with line ends and nulls."""
    texts = [
        "Good shoes, would buy again.", "", "   ", "LOUD", "a\nb\tc", "naïve café", "日本語の文",
        "\N{GRINNING FACE} yes", "word " * 500, "1,234.5 %", "<b>html</b>", "it's not bad", None,
    ]  # fmt: skip
    return pl.DataFrame({"text": texts, "row_id": [f"{i:032x}" for i in range(len(texts))]})


def _made_rows(signal: Signal, frame: pl.DataFrame) -> pl.DataFrame:
    """Make rows for columns that the data lacks, of the first type that the signal takes."""
    texts = frame["text"]
    numbers = pl.Series([0.0, -0.0, 1.0, -1.5, 1e300, float("nan"), None])
    lists = pl.Series([["a"], [], ["a", "b"], None])
    for made in (texts, numbers, numbers.cast(pl.Int64, strict=False), lists):
        rows = pl.DataFrame({column: frame[column] if column in frame.columns and
                             len(made) == frame.height else made
                             for column in signal.columns})  # fmt: skip
        try:
            signal.check(rows.schema)
        except SiftsetError:
            continue
        return rows
    return pl.DataFrame()
