"""The kinds of signals, and the signals that a recipe makes of them.

A kind lives in a file of this folder, named after its family, and is listed in KINDS:

    from siftset.signals.family import Build, Family, Thresholds, family
    from siftset.signals.signal import Signal

    class Capitals(Thresholds):                      # typed parameters: a frozen Section
        \"\"\"Parameters of `capitals`.\"\"\"

        letters: Literal["all", "latin"] = "all"     # `column`, `min` and `max` are inherited

    @family(
        Capitals,
        definition="Gopher (Rae et al. 2021), table A1",       # where the rule comes from
        examples=[({"min": 0.5}, "ABC d", True), ({}, "ABCD", 1.0), ({}, None, None)],
        nulls="unknown",                             # "handle" where the body answers for nulls
        version=1,                                   # raised when the meaning changes
    )
    def capitals(parameters: Capitals, build: Build) -> Signal:
        \"\"\"Share of capital letters.\"\"\"

        def share(text: pl.Expr) -> pl.Expr: ...
        return build.expression(share, returns="score")

`build.expression`, `build.batch` and `build.row` take the body (one argument for each column) and
`returns="bool" | "score"`, `bounds=Bounds(minimum, maximum)` (by default the parameters min and
max), `columns=(...)` (by default the parameter `column`) and `accepts="text" | "number" | "any"`.
A batch body gets a series of non-null values and gives a series (or numpy array) of the same
length. `build.words(name)` reads a word list and `build.depends(text)` adds a file's hash or a
model's id to the fingerprint. A parameter that is no threshold belongs to the score's identity.
A kind from elsewhere is an entry point of the group `siftset.signals` that names a Family, or a
Signal that takes no parameters.
"""

from __future__ import annotations

import difflib
import importlib
import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from siftset.schemas.errors import SiftsetError, SignalError, first_line
from siftset.signals.family import Family
from siftset.signals.formula.formula import Formula
from siftset.signals.signal import Signal

KINDS: dict[str, str] = {
    "c4_quality": "siftset.signals.builtin.web_quality",
    "classifier": "siftset.signals.builtin.classifier",
    "confidence": "siftset.signals.builtin.classifier",
    "drift": "siftset.signals.builtin.reference",
    "encoding_faults": "siftset.signals.builtin.encoding",
    "fineweb_quality": "siftset.signals.builtin.web_quality",
    "gopher_quality": "siftset.signals.builtin.gopher",
    "gopher_repetition": "siftset.signals.builtin.gopher",
    "html": "siftset.signals.builtin.markup",
    "is_null": "siftset.signals.builtin.text",
    "keyword": "siftset.signals.builtin.keyword",
    "label": "siftset.signals.builtin.columns",
    "label_doubt": "siftset.signals.builtin.label_doubt",
    "language": "siftset.signals.builtin.language",
    "length": "siftset.signals.builtin.text",
    "near_duplicate_of": "siftset.signals.builtin.reference",
    "negative": "siftset.signals.builtin.sentiment",
    "neutral": "siftset.signals.builtin.sentiment",
    "number": "siftset.signals.builtin.columns",
    "perplexity": "siftset.signals.builtin.classifier",
    "pii": "siftset.signals.builtin.pii",
    "positive": "siftset.signals.builtin.sentiment",
    "profanity": "siftset.signals.builtin.profanity",
    "readability": "siftset.signals.builtin.readability",
    "regex": "siftset.signals.builtin.text",
    "sample": "siftset.signals.builtin.columns",
    "sentiment": "siftset.signals.builtin.sentiment",
    "similar": "siftset.signals.builtin.similar",
    "tokens": "siftset.signals.builtin.classifier",
    "urls": "siftset.signals.builtin.markup",
}
"""Built-in kinds and the module of each; the module has a Family of the kind's name."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def build(specs: Mapping[str, Mapping[str, JsonValue]], *, folder: Path) -> dict[str, Signal]:
    """Make the signals of a recipe; file names are relative to `folder`."""
    return {name: build_one(name, spec, folder=folder) for name, spec in specs.items()}


def build_for(
    formula: Formula, specs: Mapping[str, Mapping[str, JsonValue]], *, folder: Path
) -> dict[str, Signal]:
    """Make the signals of a recipe and those that its formula writes out."""
    formula.check(specs.keys())
    calls = {name: call.spec for name, call in formula.calls.items()}
    return build({**specs, **calls}, folder=folder)


def build_one(name: str, spec: Mapping[str, JsonValue], *, folder: Path) -> Signal:
    """Make one signal of {kind: parameters} or {python: file.py:function, parameters: {...}}."""
    if not _NAME.match(name) or keyword.iskeyword(name):
        raise SignalError(f"signal '{name}': the name must be letters, digits and _, no keyword")
    if "python" in spec:
        return _from_python(name, spec, folder)
    if len(spec) != 1:
        found = ", ".join(spec) or "nothing"
        raise SignalError(
            f"signal '{name}': expected one kind such as  keyword: {{words: [nike]}}, found {found}"
        )
    kind, parameters = next(iter(spec.items()))
    given = {} if parameters is None else parameters
    if not isinstance(given, dict):
        raise SignalError(
            f"signal '{name}': {kind} takes parameters by name, found {parameters!r:.40}; "
            f"see `siftset signals show {kind}`"
        )
    made = find_kind(kind, signal=name)
    if isinstance(made, Family):
        return made.build(name, given, folder=folder)
    if given:
        raise SignalError(
            f"signal '{name}': '{kind}' takes no parameters, found {', '.join(given)}"
        )
    return made.named(name)


def _from_python(name: str, spec: Mapping[str, JsonValue], folder: Path) -> Signal:
    from siftset.signals.plugins import load_signal

    unknown = sorted(set(spec) - {"python", "parameters"})
    if unknown:
        raise SignalError(
            f"signal '{name}': unknown key '{unknown[0]}' beside python; expected `parameters`"
        )
    target, given = spec["python"], spec.get("parameters") or {}
    if not isinstance(target, str) or not isinstance(given, dict):
        raise SignalError(
            f"signal '{name}': expected  python: file.py:function  and parameters by name"
        )
    found = load_signal(target, folder=folder, signal=name)
    return found.named(name) if not given else bind_parameters(found, given).named(name)


def bind_parameters(found: Signal, given: Mapping[str, JsonValue]) -> Signal:
    """Set the parameters of a signal made by @signal."""
    from siftset.signals.decorator import set_parameters

    return set_parameters(found, given)


def find_kind(kind: str, *, signal: str = "?") -> Family | Signal:
    """Find a kind by name, built in or from an entry point."""
    from siftset.signals.plugins import entry_points, load_entry

    found = entry_points()
    if kind in KINDS and kind not in found:
        return load_builtin(kind)
    if kind in found:
        return load_entry(kind, found[kind], reserved=KINDS)
    known = [*KINDS, *found, "python"]
    close = difflib.get_close_matches(kind, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known))}"
    raise SignalError(f"signal '{signal}': no kind is called '{kind}' ({hint})")


def load_builtin(kind: str) -> Family:
    """Load a built-in kind."""
    try:
        module = importlib.import_module(KINDS[kind])
    except ImportError as error:
        raise SignalError(f"the kind '{kind}' cannot be loaded: {first_line(error)}") from error
    found = getattr(module, kind, None)
    if not isinstance(found, Family):
        raise SignalError(f"{KINDS[kind]} has no family called '{kind}'")
    return found


def load_kinds() -> dict[str, Family | Signal | SiftsetError]:
    """Load every kind; a broken one is given as its error and stops no other."""
    from siftset.signals.plugins import entry_points

    found: dict[str, Family | Signal | SiftsetError] = {}
    for kind in sorted({*KINDS, *entry_points()}):
        try:
            found[kind] = find_kind(kind)
        except SiftsetError as error:
            found[kind] = error
    return found
