"""Curate and refresh against an oracle that decides every row in plain Python.

A world packs many cases into one recipe, so that they share the fixed costs of a run: each has
texts and ids that no other one has. Those of an inbox lie in the same files. The oracle knows
nothing of polars, shards or plans: it walks over the records of an inbox in order.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh_set

INBOXES = 4
CASES = 10
"""Cases in an inbox."""
WORDS = ("red", "blue", "green", "a", "tiny", "red.", "Blue")
TYPES = {"id": pl.String, "text": pl.String, "n": pl.Int64}
SIGNALS: dict[str, object] = {
    "long": {"length": {"min": 12}},
    "red": {"keyword": {"words": ["red"]}},
    "blue": {"keyword": {"words": ["blue"]}},
    "big": {"number": {"column": "n", "min": 5}},
}
JOINED: dict[str, object] = {"good": {"label": {"one_of": ["yes"]}}}
RULES: dict[str, object] = {"text": {"not_null": True, "max_chars": 26}, "n": {"max": 8}}

Kleene = bool | None
Tree = str | tuple[str, "Tree", "Tree"] | tuple[str, "Tree"]


@dataclass(frozen=True)
class Record:
    """One record of a file; `lost` where only its id is still known."""

    id: str | None
    text: str | None
    n: int | None
    lost: bool = False


@dataclass
class Inbox:
    """The files of a source, by name, and what became of those that are gone."""

    name: str
    formats: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Record]] = field(default_factory=dict)
    gone: dict[str, list[Record]] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    order: list[str] | None = None
    """The files as the recipe lists them; None where it has a glob."""

    @property
    def read_order(self) -> list[str]:
        """The names of the files in the order in which they are read."""
        return sorted(self.files) if self.order is None else self.order


@dataclass(frozen=True)
class Rules:
    """What decides rows, the same for all cases of a world."""

    keep: Tree
    rules: bool
    exact: bool
    ids: bool
    upsert: bool
    joined: bool


def says(record: Record, label: str | None) -> dict[str, Kleene]:
    """Answer every signal."""
    words = None if record.text is None else re.findall(r"\w+", record.text.lower())
    return {
        "long": None if record.text is None else len(record.text) >= 12,
        "red": None if words is None else "red" in words,
        "blue": None if words is None else "blue" in words,
        "big": None if record.n is None else record.n >= 5,
        "good": None if label is None else label == "yes",
    }


def decide(tree: Tree, said: dict[str, Kleene]) -> Kleene:
    """Evaluate a formula in three-valued logic."""
    if isinstance(tree, str):
        return said[tree]
    if tree[0] == "~":
        inner = decide(tree[1], said)
        return None if inner is None else not inner
    left, right = decide(tree[1], said), decide(tree[2], said)  # type: ignore[misc]
    if tree[0] == "&":
        return False if left is False or right is False else None if None in (left, right) else True
    if tree[0] == "|":
        return True if left is True or right is True else None if None in (left, right) else False
    return None if left is None or right is None else left != right


def show(tree: Tree) -> str:
    """Write a formula."""
    if isinstance(tree, str):
        return tree
    if tree[0] == "~":
        return f"~({show(tree[1])})"
    return f"({show(tree[1])}) {tree[0]} ({show(tree[2])})"  # type: ignore[misc]


def same_text(text: str) -> str:
    """Return what exact duplicates share."""
    return re.sub(r"\s+", " ", text).strip()


Row = tuple[str | None, str | None, int | None, str | None]


def sift(inbox: Inbox, records: Iterable[Record], rules: Rules) -> tuple[list[Row], Counter[str]]:
    """Return the rows of the set that records in order make, and where all of them went."""
    went: Counter[str] = Counter()
    candidates: list[tuple[int, Row]] = []
    latest: dict[str, int] = {}
    first: dict[str, int] = {}
    for place, record in enumerate(records):
        if record.id is not None and rules.ids:
            latest[record.id] = place
            first.setdefault(record.id, place)
        went[state_of(inbox, record, rules)] += 1
        if state_of(inbox, record, rules) == "candidate":
            label = inbox.truth.get(record.id or "") if rules.joined else None
            candidates.append((place, (record.id, record.text, record.n, label)))
    keeper = latest if rules.upsert else first
    texts: set[str] = set()
    kept: list[Row] = []
    for place, row in candidates:
        repeats = rules.ids and row[0] is not None and keeper[row[0]] != place
        if rules.exact and row[1] is not None and not (repeats and rules.upsert):
            text = same_text(row[1])
            repeats = repeats or text in texts
            texts.add(text)
        if not repeats:
            kept.append(row)
    went["duplicate"] = went.pop("candidate", 0) - len(kept)
    went["kept"] = len(kept)
    return kept, went


def state_of(inbox: Inbox, record: Record, rules: Rules) -> str:
    """Return where a record goes before duplicates are looked for."""
    if record.lost:
        return "lost"
    if rules.ids and record.id is None:
        return "unreadable"
    if rules.rules:
        too_long = record.text is not None and len(record.text) > 26
        if record.text is None or too_long or (record.n is not None and record.n > 8):
            return "quarantined"
    label = inbox.truth.get(record.id or "") if rules.joined else None
    return "candidate" if decide(rules.keep, says(record, label)) is True else "rejected"


class World:
    """A recipe of several cases, its files, and what the oracle says of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, Random(seed)
        ids = self.random.random() < 0.7
        self.rules = Rules(
            keep=self.formula(3, joined=False),
            rules=self.random.random() < 0.5,
            exact=self.random.random() < 0.7,
            ids=ids,
            upsert=ids and self.random.random() < 0.7,
            joined=ids and self.random.random() < 0.4,
        )
        self.made = 0
        self.inboxes = [Inbox(f"i{number}") for number in range(INBOXES)]
        for inbox in self.inboxes:
            for _ in range(self.random.randint(1, 3)):
                self.add_file(inbox)
            self.add_truth(inbox)
        if self.rules.joined:
            self.rules = replace(self.rules, keep=self.formula(3, joined=True))

    def formula(self, depth: int, *, joined: bool) -> Tree:
        """Return a random formula that asks at least one signal."""
        names = [*SIGNALS, *(JOINED if joined else ())]
        if depth == 0 or self.random.random() < 0.2:
            return self.random.choice(names)
        if self.random.random() < 0.2:
            return ("~", self.formula(depth - 1, joined=joined))
        parts = [self.formula(depth - 1, joined=joined) for _ in range(2)]
        return (self.random.choice("&&||^"), *parts)  # type: ignore[return-value]

    def record(self, inbox: Inbox) -> Record:
        """Return a random record; under append one that repeats an id repeats all of it."""
        earlier = [one for file in inbox.files.values() for one in file]
        if earlier and self.random.random() < 0.15:
            return self.random.choice(earlier)
        case = f"{inbox.name}c{self.random.randrange(CASES)}"
        words = self.random.choices(WORDS, k=self.random.randint(1, 4))
        text = f"{case}{self.random.choice((' ', '  '))}{' '.join(words)}"
        self.made += 1
        known = f"{case}-k{self.random.randint(1, 4)}"
        name = known if self.rules.upsert else f"{case}-{self.made}"
        return Record(
            None if self.random.random() < 0.03 else name,
            None if self.random.random() < 0.1 else text,
            None if self.random.random() < 0.2 else self.random.randint(0, 9),
        )

    def add_file(self, inbox: Inbox) -> None:
        """Add a file, under a name that sorts anywhere among the others."""
        name = f"{self.random.choice('abcdefgh')}{len(inbox.files) + len(inbox.gone)}"
        inbox.formats[name] = self.random.choice(("jsonl", "csv", "parquet"))
        inbox.files[name] = []
        for _ in range(self.random.randint(1, 6 * CASES)):
            inbox.files[name].append(self.record(inbox))
        self.write(inbox, name)

    def add_truth(self, inbox: Inbox) -> None:
        """Say of some ids what they are worth."""
        known = [one.id for file in inbox.files.values() for one in file if one.id is not None]
        for name in known:
            if self.random.random() < 0.5:
                inbox.truth.setdefault(name, self.random.choice(("yes", "no")))
        inbox.truth.setdefault(f"{inbox.name}-nobody", "yes")
        path = self.folder / "truth" / f"{inbox.name}.csv"
        path.parent.mkdir(exist_ok=True)
        lines = [f"{name},{label}\n" for name, label in inbox.truth.items()]
        path.write_text("".join(["id,label\n", *lines]))

    def archive(self, inbox: Inbox) -> None:
        """Take a file away, but the last one; of its records only those kept are still known."""
        if len(inbox.files) > 1:
            name = self.random.choice(sorted(inbox.files))
            self.path_of(inbox, name).unlink()
            inbox.gone[name] = self.forget(inbox, inbox.files.pop(name))

    def forget(self, inbox: Inbox, records: list[Record]) -> list[Record]:
        """Return what is still known of records whose file is gone: those kept, else the id."""
        return [
            one
            if state_of(inbox, one, self.rules) == "candidate"
            else Record(one.id, None, None, lost=True)
            for one in records
        ]

    def path_of(self, inbox: Inbox, name: str) -> Path:
        """Return where a file lies."""
        return self.folder / inbox.name / f"{name}.{inbox.formats[name]}"

    def write(self, inbox: Inbox, name: str) -> None:
        """Write a file in its format."""
        path = self.path_of(inbox, name)
        path.parent.mkdir(exist_ok=True)
        rows = [{"id": r.id, "text": r.text, "n": r.n} for r in inbox.files[name]]
        if path.suffix == ".parquet":
            pl.DataFrame(rows, schema=TYPES).write_parquet(path)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with path.open("w", newline="") as out:
                table = csv.DictWriter(out, ["id", "text", "n"])
                table.writeheader()
                table.writerows(rows)

    def recipe(self, **changes: object) -> Path:
        """Write the recipe as it is now."""
        sources = []
        for inbox in self.inboxes:
            listed = [f"{inbox.name}/{name}.{inbox.formats[name]}" for name in inbox.order or ()]
            paths = listed or [f"{inbox.name}/*"]
            files: dict[str, object] = {"name": inbox.name, "paths": paths}
            if self.rules.ids:
                files["id"] = "id"
            if self.rules.joined:
                files["join"] = {"path": f"truth/{inbox.name}.csv"}
                files["label"] = "label"
            sources.append({"files": files})
        recipe = {
            "name": "world",
            "output": "out",
            "source": sources,
            "signals": {**SIGNALS, **(JOINED if self.rules.joined else {})},
            "keep": show(self.rules.keep),
            "integrity": {"rows": RULES} if self.rules.rules else {},
            "dedupe": {"exact": self.rules.exact},
            "refresh": {"merge": "upsert" if self.rules.upsert else "append"},
            "analysis": "off",
            "allow_empty": True,
            "max_unreadable_share": 1.0,
            **changes,
        }
        path = self.folder / "recipe.json"
        path.write_text(json.dumps(recipe))
        return path

    def expect_curated(self) -> tuple[Counter[Row], Counter[str]]:
        """Return the rows that today's files make, and where all records go."""
        rows: Counter[Row] = Counter()
        went: Counter[str] = Counter()
        for inbox in self.inboxes:
            records = [one for name in inbox.read_order for one in inbox.files[name]]
            kept, counted = sift(inbox, records, self.rules)
            rows.update(kept)
            went += counted
        return rows, went

    def expect_refreshed(self) -> Counter[Row]:
        """Return the rows of the set after a refresh: archived files keep what was kept of them.

        A record of an archived file that is not kept is lost but for its id: what it took out of
        the set under upsert stays out.
        """
        rows: Counter[Row] = Counter()
        for inbox in self.inboxes:
            for name, records in inbox.gone.items():
                inbox.gone[name] = self.forget(inbox, records)
            known = {**inbox.files, **inbox.gone}
            records = [one for name in sorted(known) for one in known[name]]
            if not self.rules.upsert:
                records = [one for one in records if not one.lost]
            rows.update(sift(inbox, records, self.rules)[0])
        return rows

    def check(self, output: Path, expected: Counter[Row], known: dict[object, object]) -> None:
        """Hold a set against the rows expected, its ids and its split against those before."""
        rows = pl.read_delta(str(output / "set"))
        for name in ("id", "label", "n"):
            if name not in rows.columns:
                rows = rows.with_columns(pl.lit(None).alias(name))
        found = Counter(rows.select("id", "text", pl.col("n").cast(pl.Int64), "label").rows())
        assert found == expected, (show(self.rules.keep), self.rules)
        assert rows["row_id"].n_unique() == rows.height
        for row_id, name, text, split in rows.select("row_id", "id", "text", "split").iter_rows():
            if self.rules.ids:
                assert known.setdefault(("id", name), row_id) == row_id
            bare = None if text is None else re.sub(r"\W+", "", text.lower())
            assert known.setdefault(("split", bare or row_id), split) == split


def hold_world(folder: Path, seed: int) -> None:
    """Let a world change for some days; hold every refresh, then a full run, against the oracle."""
    world = World(folder, seed)
    known: dict[object, object] = {}
    for day in range(3):
        refresh_set(world.recipe())
        world.check(folder / "out", world.expect_refreshed(), known)
        if day == 2:
            break
        for inbox in world.inboxes:
            for change in (world.archive, world.add_file, world.add_truth):
                if world.random.random() < 0.5:
                    change(inbox)
        if world.random.random() < 0.4:
            keep = world.formula(3, joined=world.rules.joined)
            world.rules = replace(world.rules, keep=keep)
    for inbox in world.inboxes:
        if world.random.random() < 0.5:
            inbox.order = world.random.sample(sorted(inbox.files), k=len(inbox.files))
    expected, went = world.expect_curated()
    result = curate(world.recipe(output="full"))
    world.check(folder / "full", expected, known)
    balance = result.rows.to_json()
    assert {name: balance[name] for name in balance if name != "read"} == {
        name: went[name] for name in balance if name != "read"
    }


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_the_oracle(tmp_path: Path, seed: int) -> None:
    hold_world(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [*range(5, 13), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(13, 50))],
)
def test_rows_of_many_worlds_are_those_of_the_oracle(tmp_path: Path, seed: int) -> None:
    hold_world(tmp_path, seed)
