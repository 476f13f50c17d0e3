"""A recording: what a run of the product wrote and printed, without what no two runs share."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

RECORDED = Path(__file__).parent / "recorded"
RECORDS = os.environ.get("SIFTSET_RECORD") == "1"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SHOWN = 40
"""Lines of a difference that a failing test shows."""

SOFTWARE = (
    "siftset", "polars", "polars-hash", "deltalake", "nltk", "numba", "torch", "transformers",
    "tokenizers", "accelerate", "peft", "great-expectations", "great_expectations_version",
)  # fmt: skip

MASKS: tuple[tuple[str, str], ...] = (
    # Where a shipped recipe lies; its name stays.
    (r"[^\s\"'(>]*/recipes/([\w-]+\.yaml)", r"<recipes>/\1"),
    # Names that are drawn: Great Expectations' ids, Delta's table, OpenLineage's runs.
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    # A model's name and a comparison's hash the id of the run, which is drawn.
    (r"\b(v\d+-(?:mlm|classification|causal))-[0-9a-f]{8}\b", r"\1-<drawn>"),
    (r"\b(comparisons/)[0-9a-f]{12}\b", r"\1<drawn>"),
    # Times: of Great Expectations' runs, then all others.
    (r"\b\d{8}T\d{6}\.\d{6}Z", "<time>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d| UTC)?", "<time>"),
    # The machine, as a line of `train`, in a page and in a model's card.
    (r"[^\n>]* \((?:cpu|cuda|mps)\), \d+ threads,[^\n<]*", "<machine>"),
    (r"(?m)^\| Hardware \| .*", "| Hardware | <machine> |"),
    # Durations and speeds, as people and pages read them, with the blanks that line them up.
    (r"\b\d+:\d\d min left", "<measured> min left"),
    (r"(?<![\w.]) *\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)? (s|min|µs|ms|tokens/s)\b", r" <measured> \1"),
    # What a signal costs, in the table of `explain`, whose column lines up with it.
    (r"(?m)^(\d+  \S+) +(?:[\d.,]+|-)(?= +[\d.]+%)", r"\1  <measured>"),
    # Answers are stored where a signal took long enough, so that a later run finds them or not.
    (r"(?m)^  scores    .*\n", ""),
    # Seconds of a run, in a cell of the index, after its time.
    (r'(<td class="nowrap"><time></td>\n<td class="num">)[\d.,]+', r"\1<measured>"),
    # Versions of software.
    (rf"\b({'|'.join(SOFTWARE)})(\W{{1,5}})\d+(?:\.\d+)+[\w.+]*", r"\1\2<version>"),
    (r'(<div class="show-scrollbars">)\d+\.\d+\.\d+(?=<)', r"\1<version>"),
)
"""What is put in place of what differs between two runs, machines or days."""

MEASURED = frozenset(
    {"seconds", "planning", "microseconds_per_row", "tokens_per_second", "createdTime", "timestamp"}
)
"""Keys of JSON whose numbers are times."""
MACHINE = frozenset({"hardware", "versions", "software"})
"""Keys of JSON whose objects describe this machine: only their keys are recorded."""
UNORDERED = frozenset({"duplicates", "clauses"})
"""Keys of JSON whose objects count by name in no order: polars' value_counts has none."""

RUN = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{4}")
DIGEST = re.compile(r"\b[0-9a-f]{12,64}\b")
VERSION = re.compile(r"\d+\.\d+\.\d+")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Tape:
    """Takes down documents of one scenario; `check` holds them against the recording.

    Documents of the kind `loose` hold figures of a training: they may differ a little, as
    processors add in other orders.
    """

    def __init__(self, name: str, folder: Path, invoke: Callable[..., Any]) -> None:
        self.name = name
        self.folder = folder
        self.invoke = invoke
        self._printed: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._loose: set[str] = set()
        self._runs: dict[str, str] = {}
        # A page lets a long name break with <wbr>, after an underscore and the like.
        self._here = re.compile("(?:<wbr>)?".join(map(re.escape, str(folder))))

    def ask(self, title: str, *arguments: object, loose: bool = False) -> dict[str, Any]:
        """Run a command with --json that must succeed; take down and return what it answers."""
        done = self.invoke(*arguments, "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        # Stored answers, as above.
        shown = found if "scores" not in found else found | {"scores": "<measured>"}
        self._print(f"{title} --json", self.json(shown, digits=4 if loose else 10), loose)
        return found

    def say(self, title: str, *arguments: object, code: int = 0, loose: bool = False) -> str:
        """Run a command as people do; take down and return what it prints."""
        done = self.invoke(*arguments)
        assert done.exit_code == code, done.output
        said = f"$ siftset {' '.join(map(str, arguments))}\nexit code {code}\n{done.stdout}"
        self._print(title, self.text(f"{said}--- stderr\n{done.stderr}"), loose)
        return str(done.stdout)

    def write(self, title: str, text: str, *, loose: bool = False) -> None:
        """Take down what was written."""
        self._keep(self._written, title, self.text(text), loose)

    def write_json(self, title: str, value: Any, *, loose: bool = False) -> None:
        """Take down a JSON value that was written."""
        self._keep(self._written, title, self.json(value, digits=4 if loose else 10), loose)

    def write_page(self, title: str, path: Path, *, loose: bool = False) -> None:
        """Take down a page, a tag a line; of its style sheet the hash."""
        text = path.read_text("utf-8")
        text = re.sub(r"(?s)(<style>)(.*?)(</style>)", lambda m: m[1] + sha(m[2]) + m[3], text)
        self.write(title, text.replace("><", ">\n<"), loose=loose)

    def text(self, text: str) -> str:
        """Return a text with its masks."""
        text = self._here.sub("<here>", text.replace(self.folder.as_uri(), "<uri>"))
        text = RUN.sub(lambda found: self._run(found[0]), text)
        for pattern, shown in MASKS:
            text = re.sub(pattern, shown, text)
        return text

    def json(self, value: Any, *, digits: int = 10) -> str:
        """Return a JSON value as text with its masks."""
        shown = json.dumps(_masked(value, digits), ensure_ascii=False, indent=1, default=str)
        return self.text(shown)

    def check(self) -> None:
        """Compare with the recording, or make it anew where SIFTSET_RECORD=1."""
        place = RECORDED / self.name
        if RECORDS:
            _save(place, self._printed, self._written, self._loose)
            return
        assert place.is_dir(), f"there is no recording {place}: run once with SIFTSET_RECORD=1"
        python, recorded = _load(place)
        found = {**self._printed, **self._written}
        wrong = list(_differences(recorded, found, self._loose, same_python=python == PYTHON))
        assert not wrong, f"{self.name} differs from its recording\n" + "\n".join(wrong)

    def _print(self, title: str, text: str, loose: bool) -> None:
        self._keep(self._printed, title, text, loose)

    def _keep(self, where: dict[str, str], title: str, text: str, loose: bool) -> None:
        assert title not in self._printed, title
        assert title not in self._written, title
        assert not re.search(r"(?m)^=== ", text), title
        where[title] = text.rstrip("\n") + "\n"
        if loose:
            self._loose.add(title)

    def _run(self, run_id: str) -> str:
        return self._runs.setdefault(run_id, f"<run {len(self._runs) + 1}>")


def sha(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def table(frame: pl.DataFrame, tape: Tape, *, shown: int | None = 3) -> str:
    """Describe rows: columns and types, the hash of the sorted rows, and the first of them."""
    rows = sorted(
        tape.text(json.dumps(_masked(row, 10), sort_keys=True, default=str, ensure_ascii=False))
        for row in frame.to_dicts()
    )
    lines = [f"{name}: {dtype}" for name, dtype in frame.schema.items()]
    lines += [f"rows {frame.height}, sorted: {sha(chr(10).join(rows))}"]
    if "row_id" in frame.columns:
        ids = sorted(map(str, frame["row_id"]))
        lines += [f"row_ids, sorted: {sha(chr(10).join(ids))}; {' '.join(ids[:3])}"]
    return "\n".join([*lines, *rows[:shown]])


def _masked(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _under(str(key), part, digits) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(part, digits) for part in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{digits}g}")
    if isinstance(value, str) and value.startswith("{"):
        try:  # JSON in JSON, as Delta keeps it
            return _masked(json.loads(value), digits)
        except ValueError:
            return value
    return value


def _under(key: str, value: Any, digits: int) -> Any:
    if key in MEASURED and isinstance(value, int | float):
        return "<measured>"
    if key in MACHINE:
        known = isinstance(value, Mapping)
        return dict.fromkeys(map(str, value), "<machine>") if known else "<machine>"
    if key.endswith("version") and isinstance(value, str) and VERSION.match(value):
        return "<version>"
    if key in UNORDERED and isinstance(value, Mapping):
        return _masked(dict(sorted(value.items())), digits)
    return _masked(value, digits)


def _save(
    place: Path, printed: Mapping[str, str], written: Mapping[str, str], loose: Iterable[str]
) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "printed.txt").write_text(_joined(printed), encoding="utf-8")
    data = _joined(written).encode("utf-8", "surrogatepass")
    packed = place / "written.txt.gz"
    if not packed.is_file() or gzip.decompress(packed.read_bytes()) != data:
        packed.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))
    (place / "about.json").write_text(
        json.dumps({"python": PYTHON, "loose": sorted(loose)}, indent=1) + "\n"
    )


def _joined(documents: Mapping[str, str]) -> str:
    return "".join(f"=== {title}\n{text}" for title, text in documents.items())


def _load(place: Path) -> tuple[str, dict[str, str]]:
    about = json.loads((place / "about.json").read_text())
    data = gzip.decompress((place / "written.txt.gz").read_bytes())
    text = (place / "printed.txt").read_text("utf-8") + data.decode("utf-8", "surrogatepass")
    parts = re.split(r"(?m)^=== (.*)\n", text)
    return about["python"], dict(zip(parts[1::2], parts[2::2], strict=True))


def _differences(
    recorded: Mapping[str, str], found: Mapping[str, str], loose: set[str], *, same_python: bool
) -> Iterator[str]:
    for title in [*recorded, *(title for title in found if title not in recorded)]:
        before, after = recorded.get(title), found.get(title)
        if before is None or after is None:
            yield f"=== {title}: {'not recorded' if before is None else 'recorded, but not made'}"
            continue
        if not same_python:
            # The fingerprint of a function covers its syntax tree, which each Python shows in its
            # own way; keys and formula hashes are made of fingerprints.
            before, after = DIGEST.sub("<digest>", before), DIGEST.sub("<digest>", after)
        if before != after and not (title in loose and alike(before, after)):
            yield _difference(title, before, after)


def _difference(title: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{title} (recorded)", f"{title} (now)",
        n=2, lineterm="",
    )  # fmt: skip
    return "\n".join(line[:400] for line in islice(lines, SHOWN))


def alike(before: str, after: str) -> bool:
    """Say whether two texts are equal but for small differences of their numbers."""
    if NUMBER.sub("#", before) != NUMBER.sub("#", after):
        return False
    pairs = zip(NUMBER.findall(before), NUMBER.findall(after), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=0.01, abs_tol=0.002) for a, b in pairs)
