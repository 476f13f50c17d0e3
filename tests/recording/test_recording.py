"""What the product writes and prints stays as it is recorded beside this file.

Everything goes through the command `siftset`, so that no test here knows where a module lies. After
a change that is meant, run with SIFTSET_RECORD=1 and look at what git shows.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

HERE = Path(__file__).parent
EXAMPLES = {
    "nike": ["--set", "source.synthesize.rows=600"],
    "tweet-sentiment": [],
    "medical-answers": ["--set", "train.model=models/bert"],
    "film-reviews": [],
    "film-reviews-adapters": [],
}
COMMANDS = [
    [], ["init"], ["check"], ["curate"], ["explain"], ["train"], ["compare"], ["predict"], ["onnx"],
    ["refresh"], ["synthesize"], ["export"], ["report"], ["serve"], ["history"], ["rollback"],
    ["doctor"], ["schema"], ["signals"], ["signals", "list"], ["signals", "show"],
    ["signals", "try"], ["signals", "test"],
]  # fmt: skip
KINDS = ("rejected", "quarantine", "unreadable", "duplicates")


@pytest.fixture
def keep_run(recording: ModuleType) -> Callable[..., None]:
    """Take down the folder of a run, and the set that it made."""

    def keep(
        tape: Any, title: str, run: dict[str, Any], *, rows: int | None = 3, pages: bool = False
    ) -> None:
        output = Path(run["output"])
        folder = output / "runs" / run["run_id"]
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        tape.write_json(f"{title}/manifest.json", manifest)
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        tape.write_json(f"{title}/metrics.json", measured(metrics))
        if (folder / "faults.json").is_file():
            faults = json.loads((folder / "faults.json").read_text("utf-8"))["faults"]
            told = [fault | {"traceback": of_the_user(tape, fault)} for fault in faults]
            tape.write_json(f"{title}/faults.json", told)
        tape.write_page(f"{title}/report.html", folder / "report.html")
        for kind in KINDS:
            frame = pl.read_parquet(folder / kind / "*.parquet")
            tape.write(f"{title}/{kind}", recording.table(frame, tape, shown=rows))
        keep_suites(tape, title, folder, pages=pages)
        if run["version"] is not None:
            version = output / "versions" / str(run["version"])
            table = pl.read_delta(str(output / "set"), version=run["version"])
            tape.write(f"{title}/set", recording.table(table, tape, shown=rows))
            files = pl.read_parquet(version / "*.parquet").select(table.columns)
            assert recording.table(files, tape) == recording.table(table, tape)
            tape.write_json(f"{title}/commit", commit(output, run["version"]))

    return keep


def measured(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return metrics without the answers found stored: storing them hangs on how long they took."""
    for signal in metrics["funnel"]["signals"]:
        assert isinstance(signal["cached"], int)
        signal["cached"] = signal["ran"] = "<measured>"
    return metrics


def of_the_user(tape: Any, fault: dict[str, Any]) -> list[str]:
    """Return the lines of a traceback that are about the user's own file."""
    lines = fault["traceback"].splitlines()
    return [line for line in lines if str(tape.folder) in line] + lines[-1:]


def keep_suites(tape: Any, title: str, folder: Path, *, pages: bool) -> None:
    """Take down what Great Expectations keeps of a run: all of it and its pages, or its suites."""
    wanted = folder / "gx" if pages else folder / "gx" / "expectations"
    for path in sorted(wanted.rglob("*")):
        if path.is_file() and path.name != ".ge_store_backend_id":
            tape.write(f"{title}/{inside(tape, path, folder)}", without_modules(path))
    for path in sorted((folder / "data_docs").rglob("*.html")) if pages else ():
        tape.write_page(f"{title}/{inside(tape, path, folder)}", path)


def inside(tape: Any, path: Path, folder: Path) -> str:
    """Return a masked path below a folder."""
    return str(tape.text(str(path.relative_to(folder))))


def without_modules(path: Path) -> str:
    """Return a configuration of Great Expectations without the names of our modules."""
    return "".join(
        f"{line.partition(':')[0]}: <module>\n" if '"module_name"' in line else line
        for line in path.read_text("utf-8").splitlines(keepends=True)
    )


def commit(output: Path, version: int) -> dict[str, Any]:
    """Return what Delta's log says of a version in our words, and how many files it adds."""
    log = output / "set" / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    info = next(action["commitInfo"] for action in actions if "commitInfo" in action)
    ours = {name: value for name, value in sorted(info.items()) if name.startswith("siftset")}
    kinds = sorted(next(iter(action)) for action in actions)
    return {"info": ours, "actions": kinds, "txn": [a["txn"] for a in actions if "txn" in a]}


def tree(tape: Any, recording: ModuleType, *folders: Path) -> str:
    """List the files below some folders; scores are kept where signals took long enough."""
    found: list[str] = []
    for folder in folders:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and "scores" not in inside.parts:
                found.append(recording.DIGEST.sub("<digest>", tape.text(f"{folder.name}/{inside}")))
    return "\n".join(sorted(found))


@pytest.fixture
def example_data(sample_corpora: Path) -> Callable[[Path], None]:
    """Lay the data of the examples into a folder, always the same bytes."""

    def lay(folder: Path) -> None:
        tweets = pl.read_parquet(sample_corpora / "tweets.parquet").to_dicts()
        moods = [(row, row["rating"]) for row in tweets]
        named = [
            {
                "id": row["id"],
                "text": row["text"],
                "label_text": "positive" if mood > 1 else "negative" if mood < -1 else "neutral",
            }
            for row, mood in moods
        ]
        lines(folder / "tweets.jsonl", named)
        asked = pl.read_parquet(sample_corpora / "medquad.parquet").to_dicts()
        pairs = [
            {"id": row["id"], "input": f"Q: {row['question']}", "output": row["answer"]}
            for row in asked
        ]
        lines(folder / "medical.jsonl", pairs)
        films = pl.read_parquet(sample_corpora / "movie_reviews.parquet").to_dicts()
        table(folder / "films.csv", films)
        # Parquet differs in its bytes from one polars to the next: this file lies here.
        (folder / "corpora").mkdir()
        shutil.copy(HERE / "movie_reviews.parquet", folder / "corpora")

    return lay


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str, tape_of, keep_run, example_data, recording, tiny_model):
    tape, more = tape_of(name), EXAMPLES[name]
    example_data(tape.folder)
    if name == "medical-answers":
        tiny_model(tape.folder / "models" / "bert")
    tape.say("check", "check", name, *more)
    tape.ask("check", "check", name, *more)
    # Before a folder is there that could hold stored answers.
    tape.say("explain", "explain", name, "--analyze", *more)
    tape.ask("explain", "explain", name, "--analyze", *more)
    run = tape.ask("curate", "curate", name, *more)
    tape.say("curate, nothing new", "curate", name, *more)
    tape.say("curate", "curate", name, *more, "--set", "output=people")
    tape.say("curate, dry", "curate", name, *more, "--dry-run", "--limit", 50)
    row = min(pl.read_delta("people/set")["row_id"])
    tape.say("explain a row", "explain", name, *more, "--row", row)
    tape.ask("explain a row", "explain", name, *more, "--row", row)
    for command in ("report", "history"):
        tape.say(command, command, name, *more)
        tape.ask(command, command, name, *more)
    tape.say("export", "export", name, *more, "--out", "set.jsonl")
    tape.ask("export", "export", name, *more, "--out", "set.csv")
    keep_run(tape, "run", run, pages=name == "nike")
    tape.write_page("index.html", Path(run["output"]) / "index.html")
    tape.write("tree", tree(tape, recording, Path("out"), Path("people")))
    tape.write("exported", "\n".join(exported(tape, recording)))
    tape.check()


def exported(tape: Any, recording: ModuleType) -> list[str]:
    """Hash what was exported, in the order of the file."""
    found = []
    for path in sorted(tape.folder.glob("set.*")):
        text = tape.text(path.read_text("utf-8"))
        found += [f"{path.name}: {recording.sha(text)}", *text.splitlines()[:2]]
    return found


def test_three_days(tape_of, keep_run, world, recording):
    tape = tape_of("three-days")
    world.lay(tape.folder, 1)
    tape.say("signals test", "signals", "test", "own.py")
    tape.say("check", "check", "recipe.yaml")
    tape.ask("check", "check", "recipe.yaml")
    tape.say("explain", "explain", "recipe.yaml")
    tape.ask("explain", "explain", "recipe.yaml")
    runs = []
    for day in (1, 2, 3):
        world.lay(tape.folder, day)
        run = tape.ask(f"day {day}: refresh", "refresh", "recipe.yaml")
        runs.append(run)
        people = ("recipe.yaml", "--set", "output=people")
        tape.say(f"day {day}: refresh", "refresh", *people)
        keep_run(tape, f"day {day}", run, rows=100, pages=day == 2)
        ledger = sorted(Path("out/ledger").glob("*/list.json"))[-1]
        tape.write_json(f"day {day}/list.json", json.loads(ledger.read_text("utf-8")))
    tape.say("refresh, nothing new", "refresh", "recipe.yaml")
    explain_rows(tape, runs[1], "quarantine", "unreadable")
    explain_rows(tape, runs[2], "rejected", "duplicates")
    change = ("--set", "keep=long & warm")
    tape.say("explain the difference", "explain", "recipe.yaml", "--diff", *change)
    tape.ask("explain the difference", "explain", "recipe.yaml", "--diff", *change)
    tape.say("report of version 0", "report", "recipe.yaml", "--version", 0)
    tape.ask("rollback", "rollback", "recipe.yaml", "--version", 0)
    tape.say("rollback", "rollback", "recipe.yaml", "--version", 1)
    for command in ("report", "history"):
        tape.say(command, command, "recipe.yaml")
        tape.ask(command, command, "recipe.yaml")
    tape.say("export", "export", "recipe.yaml", "--out", "set.csv", "--version", 2)
    tape.write_page("index.html", Path("out/index.html"))
    tape.write("exported", "\n".join(exported(tape, recording)))
    tape.write("tree", tree(tape, recording, Path("out"), Path("people")))
    events = Path("lineage.jsonl").read_text("utf-8").splitlines()
    tape.write_json("lineage.jsonl", [event_of(json.loads(event)) for event in events])
    tape.check()


def explain_rows(tape: Any, run: dict[str, Any], *kinds: str) -> None:
    """Ask why one row of each kind is in the set or not."""
    folder = Path(run["output"]) / "runs" / run["run_id"]
    for kind in kinds:
        row = min(pl.read_parquet(folder / kind / "*.parquet")["row_id"])
        tape.say(f"explain a row: {kind}", "explain", "recipe.yaml", "--row", row)
        tape.ask(f"explain a row: {kind}", "explain", "recipe.yaml", "--row", row)


def event_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the bytes of files, which polars' version decides."""
    for made in event["outputs"]:
        for facet in made.get("outputFacets", {}).values():
            assert facet.pop("size", 1) > 0
    return event


TRAINING: dict[str, Any] = {
    "name": "moods",
    "output": "out",
    "seed": 5,
    "source": {"files": {"paths": ["moods.jsonl"], "label": "label", "id": "id"}},
    "signals": {"long": {"length": {"min": 5}}},
    "keep": "long",
    "split": {"train": 0.7, "validation": 0.3},
    "train": {
        "model": "models/bert",
        "batch_size": 16,
        "max_length": 32,
        "max_steps": 8,
        "learning_rate": 3e-3,
        "threads": 1,
    },
    "compare": {"resamples": 50, "slices": ["length", "label"]},
}
TASKS: dict[str, dict[str, Any]] = {
    "mlm": {
        "train": {"task": "mlm", "line_by_line": True},
        "compare": {"prompts": ["the shoe is very [MASK] ."], "general": "general"},
    },
    "classification": {
        "train": {"task": "classification", "eval_strategy": "steps", "eval_steps": 4},
        "compare": {"baselines": ["majority", "tfidf", "probe"], "positive_label": "pos"},
    },
}


def moods(n: int) -> list[dict[str, Any]]:
    """Return n different sentences of the tiny model's words."""
    things = ("shoe", "shirt", "sock", "jacket", "ball", "glove", "hat", "bag")
    says = {
        "pos": ("good", "great", "light", "soft", "strong", "warm"),
        "neg": ("bad", "poor", "heavy", "rough", "weak", "cold"),
    }
    found = []
    for i in range(n):
        label = ("pos", "neg")[i % 2]
        tail = f" and it was {says[label][(i // 7) % 6]}" if i % 3 else ""
        text = (
            f"the {things[i % 8]} and the {things[i // 8 % 8]} is very {says[label][i % 6]}{tail}"
        )
        found.append({"id": f"m{i}", "text": f"{text} .", "label": label})
    return found


@pytest.mark.parametrize("task", TASKS)
def test_training(task: str, tape_of, tiny_model, recording, monkeypatch):
    """Figures may differ a little from processor to processor; speeds and memory are not kept."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    tape = tape_of(f"training-{task}")
    tiny_model(tape.folder / "models" / "bert")
    lines(tape.folder / "moods.jsonl", moods(120))
    recipe = {**TRAINING, **{key: TRAINING[key] | part for key, part in TASKS[task].items()}}
    Path("recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    if task == "mlm":
        due = ("--set", "refresh.retrain_after=1")
        made = tape.ask("refresh and train", "refresh", "recipe.json", *due, loose=True)
        model = Path(made["output"]) / "models" / made["model"]["model"]
        tape.say("predict", "predict", model, "the hat is very [MASK] .", loose=True)
        tape.ask("predict", "predict", model, "the hat is very [MASK] .", loose=True)
        tape.ask("compare", "compare", "recipe.json", "--before", "models/bert", loose=True)
    else:
        tape.ask("curate", "curate", "recipe.json")
        made = tape.ask("train", "train", "recipe.json", loose=True)
        model = Path(made["model"])
        tape.say("predict", "predict", model, "the hat is very cold .", loose=True)
        tape.ask("predict", "predict", model, "the hat is very cold .", loose=True)
    for command in ("report", "history"):
        tape.say(command, command, "recipe.json", loose=True)
        tape.ask(command, command, "recipe.json", loose=True)
    keep_model(tape, model)
    # Last, as pages list models by their names, and those are drawn.
    tape.say("train again", "train", "recipe.json", "--set", "train.seed=6", loose=True)
    tape.write("tree", tree(tape, recording, Path("out")))
    tape.check()


def keep_model(tape: Any, model: Path) -> None:
    """Take down what a training leaves."""
    from safetensors import safe_open

    for name in ("training.json", "compare.json", "curves.json", "config.json", "siftset.json"):
        tape.write_json(name, json.loads((model / name).read_text("utf-8")), loose=True)
    for name in ("README.md", "curves.csv"):
        tape.write(name, (model / name).read_text("utf-8"), loose=True)
    tape.write_page("compare.html", model / "compare.html", loose=True)
    tape.write_page("index.html", model.parents[1] / "index.html", loose=True)
    with safe_open(model / "model.safetensors", "pt") as held:
        tensors = [f"{name} {held.get_slice(name).get_shape()}" for name in sorted(held.keys())]
    tape.write("model.safetensors", "\n".join(tensors))


def test_words(tape_of, recording):
    """What the command says of itself, and the small commands."""
    tape = tape_of("words")
    for names in COMMANDS:
        tape.say(" ".join([*names, "--help"]), *names, "--help")
    tape.write("schema", tape.invoke("schema").stdout)
    tape.ask("signals list", "signals", "list")
    tape.say("signals list", "signals", "list")
    for kind in ("keyword", "sentiment", "near_duplicate_of"):
        tape.say(f"signals show {kind}", "signals", "show", kind)
    tape.ask("signals show", "signals", "show", "length")
    for template in ("reviews", "tickets", "tweets", "answers"):
        tape.say(f"init {template}", "init", template, "--template", template)
        for path in sorted(Path(template).iterdir()):
            said = path.read_text("utf-8")
            tape.write(f"init/{path}", recording.sha(said) if "jsonl" in path.name else said)
    asked = ("keyword(words=['good']) & length(min=20)", "--data", "reviews/reviews.jsonl")
    tape.say("signals try", "signals", "try", *asked)
    tape.ask("signals try", "signals", "try", *asked)
    tape.say("signals test", "signals", "test", "reviews/signals_mine.py")
    tape.ask("signals test", "signals", "test", "reviews/signals_mine.py")
    few = ("--set", "source.synthesize.rows=300")
    tape.say("synthesize", "synthesize", "nike", "--out", "made.parquet", *few)
    tape.write("made.parquet", recording.table(pl.read_parquet("made.parquet"), tape))
    wrong(tape)
    health = json.loads(tape.invoke("doctor", "--json").stdout)
    tape.write_json("doctor", {name: sorted(part) if isinstance(part, dict) else "<machine>"
                               for name, part in health.items()})  # fmt: skip
    tape.check()


def wrong(tape: Any) -> None:
    """Make mistakes that the command tells of."""
    recipe = Path("reviews/recipe.yaml")
    tape.say("no recipe", "curate", "nowhere.yaml", code=2)
    tape.say("no version yet", "history", recipe)
    tape.say("no report yet", "report", recipe, code=2)
    tape.say("a misspelt key", "check", recipe, "--set", "sorce=1", code=2)
    tape.say("a misspelt signal", "check", recipe, "--set", "keep=positve & mine", code=2)
    tape.say("and for &", "check", recipe, "--set", "keep=positive and mine", code=2)
    tape.say("no file", "curate", recipe, "--set", "source.files.paths=[gone.csv]", code=2)
    limit = "integrity.thresholds.quarantined_share.critical=0"
    short = "integrity.rows.text.max_chars=40"
    tape.say("refused", "curate", recipe, "--set", limit, "--set", short, code=3)


REACHES = """\
import siftset
from siftset import keyword, length, parse, signal

short = length(max=20)


@signal
def by_signal(text: str) -> bool:
    return short(text)


@signal
def by_kind(text: str) -> bool:
    return keyword("good")(text)


@signal
def by_function(text: str) -> bool:
    return parse("a & b") is None


@signal
def by_package(text: str) -> bool:
    return siftset.parse("a & b") is None


@signal
def by_class(text: str) -> bool:
    return isinstance(text, siftset.Formula)
"""


def test_where_modules_lie(tape_of, world):
    """What depends on the names of our modules; all else in this folder does not.

    A signal that reaches an object of ours is fingerprinted with the name of its module: where that
    name changes, such signals are scored again. Great Expectations' configuration names the module
    of the pages.
    """
    tape = tape_of("where-modules-lie")
    world.lay(tape.folder, 1)
    Path("reaches.py").write_text(REACHES, encoding="utf-8")
    for name in ("by_signal", "by_kind", "by_function", "by_package", "by_class"):
        mine = f"signals.warm={{python: 'reaches.py:{name}'}}"
        found = json.loads(tape.invoke("check", "recipe.yaml", "--set", mine, "--json").stdout)
        tape.write(f"fingerprint/{name}", found["signals"]["warm"])
    run = json.loads(tape.invoke("refresh", "recipe.yaml", "--json").stdout)
    folder = Path(run["output"]) / "runs" / run["run_id"]
    config = (folder / "gx/great_expectations.yml").read_text("utf-8")
    named = [line.strip() for line in config.splitlines() if '"module_name"' in line]
    tape.write("gx/great_expectations.yml", "\n".join(named))
    tape.check()
