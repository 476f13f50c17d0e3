"""Kill runs with SIGKILL at random moments while readers poll the set; nothing may be lost.

    python benchmarks/kill.py --kills 200 --approvals 100 --trainings 10

Each round changes the input (a new file, a file that grew, a file that changed, a late file),
begins `curate`, `refresh`, or a plan that is applied, and kills it somewhere on its way. A reader
polls all the while: each time it opens the set it must find the rows of before or those of after,
whole, through Delta and through `versions/<N>/`. Then the next run, which nobody kills, must finish
the work exactly.
Trainings of a tiny model are killed too, while a reader opens every model that is there; the next
training must leave a model that loads.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.children import WRONG, Looks, child, killed, looking

RECIPE = {
    "name": "kill",
    "output": "out",
    "source": {"files": {"paths": ["in/*.jsonl"]}},
    "signals": {"good": {"keyword": {"words": ["good"]}}},
    "keep": "good",
    "refresh": {"removed": "delete"},
}
ROWS = 200
KILLS_A_FOLDER = 25
"""Kills after which a new folder is begun, so that the input stays small."""


@dataclass
class Outcome:
    """What a number of rounds came to."""

    rounds: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    committed: int = 0
    """Killed runs whose commit was already made."""
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __iadd__(self, other: Outcome) -> Outcome:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self

    def saw(self, looks: Looks) -> None:
        """Count what a reader saw in the round that ends."""
        self.reads += looks.made
        if looks.wrong:
            self.wrong.append(f"a reader, in round {self.rounds.total()}")

    def table(self) -> str:
        """Return the figures as a table."""
        lines = [f"{'command':<10}{'rounds':>8}{'killed':>8}"]
        lines += [f"{c:<10}{n:>8}{self.killed[c]:>8}" for c, n in sorted(self.rounds.items())]
        if "train" not in self.rounds:
            lines.append(f"killed after the commit: {self.committed}")
        lines += [
            f"reads while runs were killed: {self.reads}",
            f"lost, doubled or unreadable: {len(self.wrong)}",
            f"seconds: {self.seconds:.0f}",
        ]
        return "\n".join([*lines, *self.wrong[:10]])


class Input:
    """Files of texts, and the texts that the set should hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder / "in", random.Random(seed)
        self.folder.mkdir()
        self.files: dict[str, list[str]] = {}
        self.count = 0
        self.add("m00000")

    def add(self, name: str) -> None:
        """Write a new file, some of whose texts are bad, and some there before."""
        known = [text for texts in self.files.values() for text in texts]
        texts = [self._text() for _ in range(ROWS)] + self.chance.sample(known, min(5, len(known)))
        self._write(name, texts)

    def change(self) -> None:
        """Do one of the things that inputs do."""
        kind = self.chance.randrange(4)
        name = self.chance.choice(sorted(self.files))
        if kind == 0:
            self.add(f"m{len(self.files):05d}-{self.count}")
        elif kind == 1:
            self.add(f"a{len(self.files):05d}-{self.count}")
        elif kind == 2:
            self._write(name, [*self.files[name], *(self._text() for _ in range(20))])
        else:
            self._write(name, [self._text(), *self.files[name][1:]])

    def wanted(self) -> list[str]:
        """Return the texts of the set, in order."""
        return sorted({t for texts in self.files.values() for t in texts if t.startswith("good")})

    def _text(self) -> str:
        self.count += 1
        return f"{self.chance.choice(('good', 'bad'))} text number {self.count}"

    def _write(self, name: str, texts: list[str]) -> None:
        self.files[name] = texts
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (self.folder / f"{name}.jsonl").write_text(lines)


KINDS = ("curate", "refresh", "refresh")
"""What is killed, and how often of three."""


def torment(folder: Path, *, kills: int, seed: int = 0, kinds: tuple[str, ...] = KINDS) -> Outcome:
    """Kill so many runs over an input that changes; `folder` is empty.

    The kind `approve` is a plan that is laid and then applied, killed anywhere on its way.
    """
    warm_up()
    start, outcome, chance = time.perf_counter(), Outcome(), random.Random(seed)
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps(RECIPE))
    source, output = Input(folder, seed), folder / "out"
    slowest, before = _finish(kinds[0], recipe), source.wanted()
    while sum(outcome.killed.values()) < kills and not outcome.wrong:
        source.change()
        both, kind = (before, source.wanted()), chance.choice(kinds)
        outcome.rounds[kind] += 1
        with looking(lambda both=both: check(output, both), folder) as looks:
            if killed(lambda kind=kind: run(kind, recipe), chance.uniform(0, slowest)):
                outcome.killed[kind] += 1
                outcome.committed += child(lambda both=both: check(output, both[1:])) == 0
            slowest = _finish(chance.choice(kinds), recipe)
        outcome.saw(looks)
        if child(lambda both=both: check(output, both[1:])):
            outcome.wrong.append(f"after the next run, in round {outcome.rounds.total()}")
        before = both[1]
    outcome.seconds = time.perf_counter() - start
    return outcome


def torment_training(folder: Path, *, kills: int, seed: int = 0) -> Outcome:
    """Kill so many trainings of a tiny model, each of which the next one must finish."""
    start, outcome, chance = time.perf_counter(), Outcome(), random.Random(seed)
    recipe = folder / "train.json"
    train = {"task": "mlm", "model": str(folder / "tiny"), "epochs": 2, "max_length": 16}
    compare = {"positive": None, "negative": None, "resamples": 20}
    recipe.write_text(json.dumps({**RECIPE, "train": train, "compare": compare}))
    Input(folder, seed)
    _finish("curate", recipe)
    from benchmarks.tiny import tiny_model

    if child(lambda: tiny_model(folder / "tiny")):
        raise RuntimeError("the tiny model could not be made")
    slowest, number = _timed_child(lambda: learn(recipe, 0, folder)), 0
    while sum(outcome.killed.values()) < kills and not outcome.wrong:
        number += 1
        outcome.rounds["train"] += 1
        moment = chance.uniform(0, slowest)
        with looking(lambda: check_models(folder / "out/models"), folder) as looks:
            work = partial(learn, recipe, number, folder)
            outcome.killed["train"] += killed(work, moment)
            if child(work):
                outcome.wrong.append(f"training {number} after it was killed")
        outcome.saw(looks)
    outcome.seconds = time.perf_counter() - start
    return outcome


def learn(recipe: Path, seed: int, folder: Path) -> int:
    """Train under a seed of its own, and load what came of it."""
    from transformers import AutoModelForMaskedLM

    from siftset.pipeline.commands.train import train_recipe

    done = train_recipe(recipe, overrides=[f"train.weight_decay={seed / 1000}"])
    AutoModelForMaskedLM.from_pretrained(done.model)
    models = [path for path in (folder / "out/models").glob("v*") if path.is_dir()]
    return 0 if all((path / "training.json").is_file() for path in models) else WRONG


def warm_up() -> None:
    """Import what runs need, so that a child is at work at once; nothing is computed here."""
    import deltalake  # noqa: F401

    import siftset.pipeline.commands.curate
    import siftset.pipeline.refresh.plans
    import siftset.pipeline.reports.run  # noqa: F401


def run(kind: str, recipe: Path) -> int:
    """Do one run in this process, and return its exit code."""
    from siftset.pipeline.commands.curate import curate
    from siftset.pipeline.refresh import refresh

    {"curate": curate, "refresh": refresh, "approve": approve}[kind](recipe)
    return 0


def approve(recipe: Path) -> None:
    """Lay a plan and apply it."""
    from siftset.pipeline.refresh.plans import apply, plan

    laid = plan(recipe, refresh=True).plan
    if laid is not None:
        apply(recipe, laid.plan_id)


def check(output: Path, allowed: tuple[list[str], ...]) -> int:
    """Return 0 if the set is whole and one of `allowed`, through both doors."""
    import polars as pl
    from deltalake import DeltaTable

    table = DeltaTable(output / "set")
    texts = pl.read_delta(table).get_column("text").sort().to_list()
    if texts not in allowed:
        return WRONG
    plain = output / "versions" / str(table.version())
    if plain.is_dir():
        found = pl.read_parquet(plain / "*.parquet").get_column("text").sort().to_list()
        return 0 if found == texts else WRONG
    return 0


def check_models(models: Path) -> int:
    """Return 0 if every model that has its name has its result and all its weights."""
    from safetensors import safe_open

    for folder in models.glob("v*"):
        json.loads((folder / "training.json").read_bytes())
        with safe_open(folder / "model.safetensors", "np") as weights:
            if not all(weights.get_tensor(name).size for name in weights.keys()):  # noqa: SIM118
                return WRONG
    return 0


def _finish(kind: str, recipe: Path) -> float:
    """Let a run come to its end and return its seconds."""
    start = time.perf_counter()
    code = child(lambda: run(kind, recipe))
    if code:
        raise RuntimeError(f"{kind} that nobody killed ended with {code}")
    return time.perf_counter() - start


def _timed_child(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    if child(work):
        raise RuntimeError("a training that nobody killed failed")
    return time.perf_counter() - start


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--approvals", type=int, default=0)
    parser.add_argument("--trainings", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    approvals = partial(torment, kinds=("approve",))
    asked = (
        (torment, given.kills),
        (approvals, given.approvals),
        (torment_training, given.trainings),
    )
    wrong = 0
    for work, kills in asked:
        if kills:
            outcome = in_folders(work, kills, given.seed)
            sys.stdout.write(f"{outcome.table()}\n\n")
            sys.stdout.flush()
            wrong += len(outcome.wrong)
    return 1 if wrong else 0


def in_folders(work: Callable[..., Outcome], kills: int, seed: int) -> Outcome:
    """Spread so many kills over folders, and tell how it goes."""
    outcome = Outcome()
    for begun in range(0, kills, KILLS_A_FOLDER):
        with tempfile.TemporaryDirectory() as folder:
            some = min(KILLS_A_FOLDER, kills - begun)
            outcome += work(Path(folder), kills=some, seed=seed + begun)
        sys.stderr.write(f"{outcome.killed.total()} killed, {len(outcome.wrong)} wrong\n")
    return outcome


if __name__ == "__main__":
    raise SystemExit(main())
