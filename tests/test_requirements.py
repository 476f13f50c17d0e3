"""The table of requirements names commands that exist, recipes that ship, keys that are known."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from siftset.pipeline.cli import app
from siftset.schemas.recipe.loading import load_recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| [RX]\d", line)]
MISSPELT = "deduplicate.exact=true"
COMMANDS = sorted(set(re.findall(r"`siftset ([^`]+)`", PAGE)))
KNOWN = get_command(app).commands
NO_RECIPE = ("predict", "synthesize", "serve", "signals", "doctor", "examples")


def test_every_line_says_what_and_how_once():
    assert all(len(row) == 4 and all(row) for row in ROWS)
    names = [row[0] for row in ROWS]
    assert len(names) == len(set(names)) == 84


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_what_there_is(command: str):
    for part in command.split(" && "):
        words = shlex.split(part.removeprefix("siftset "))
        assert words[0] in KNOWN
        overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        if len(words) > 1 and words[0] not in NO_RECIPE:
            load_recipe(words[1], overrides=[one for one in overrides if one != MISSPELT])


# Not run: what needs a hub, a cluster, a server that does not end, or a recipe of the reader's own.
NOT_RUN = ("hub:", "bert-base-cased", "distilbert", "--push", "serve ", "--engine ray", "doctor",
           "MODEL", "heredity", MISSPELT, "predict minilm",
           "review ")  # fmt: skip
SMALL = ("train.max_steps=4", "train.max_length=32", "compare.max_rows=20", "compare.resamples=20",
         "compare.answers=2", "compare.generated=2", "compare.max_new_tokens=4")  # fmt: skip
RECIPES = {
    "nike": ["source.synthesize.rows=400", "compare.general=null"],
    "tweet-sentiment": [],
    "medical-answers": ["train.eval_steps=2"],
    "film-reviews": ["compare.baselines=[majority]"],
    "film-reviews-adapters": ["compare.baselines=[majority]"],
}
TASKS = {"nike": "mlm", "medical-answers": "causal"}


def arrange(words: list[str], models: dict[str, str]) -> list[str]:
    """Make a command small: its recipe's data, a tiny model, few steps."""
    name = words[1] if len(words) > 1 else ""
    given = " ".join(words)
    if name not in RECIPES:
        return words
    small = list(RECIPES[name])
    if words[0] in ("train", "refresh", "compare"):
        small += SMALL
        if "train.model=" not in given:
            small.append(f"train.model={models[TASKS.get(name, 'classification')]}")
    here = [part for one in small if one.partition("=")[0] not in given for part in ("--set", one)]
    return [*words, *here]


def commands_of(section: str) -> list[list[str]]:
    """Return the commands of a section in the order of the page, each once, `curate` first."""
    found: dict[tuple[str, ...], None] = {}
    for row in (row for row in ROWS if row[0].startswith(f"{section}.")):
        for command in re.findall(r"`siftset ([^`]+)`", row[2].replace("\\|", "|")):
            for part in command.replace(" && siftset ", " && ").split(" && "):
                words = tuple(shlex.split(part))
                if len(words) > 1 and not any(one in part for one in NOT_RUN):
                    found[words] = None
    # a set is made before a model is trained on it
    return [list(words) for words in sorted(found, key=lambda words: words[0] != "curate")]


@pytest.mark.slow
@pytest.mark.parametrize("section", ["R0", "R1", "R2", "R3", "R4"])
def test_every_command_that_needs_no_hub_runs_in_small(
    section, tmp_path, sample_corpora, tiny_encoder, run, monkeypatch
):
    pytest.importorskip("torch")
    examples = runpy.run_path(str(ROOT / "tests/test_examples.py"))
    monkeypatch.chdir(tmp_path)
    for name in ("SIFTSET_CORPORA", "SIFTSET_TWEETS", "SIFTSET_MEDICAL", "SIFTSET_FILMS"):
        monkeypatch.delenv(name, raising=False)
    Path("corpora").symlink_to(sample_corpora)
    Path("nike_signals.py").write_text(examples["block"]("nike", "python", "nike_signals.py"))
    Path("general.jsonl").write_text('{"text": "The rain stopped in the afternoon."}\n' * 12)
    Path("worked.jsonl").write_text('["What a bad day", "negative"]\n')
    models = {"mlm": str(tiny_encoder), "classification": str(tiny_encoder)}
    if section in ("R1", "R2"):
        page, kind, field, name = {
            "R1": ("tweet-sentiment", "tweets", "text", "small-gpt2"),
            "R2": ("medical-answers", "medical", "output", "small-medical"),
        }[section]
        examples["run_script"](page, f"make_{kind}.py")
        model = (f"{kind}.jsonl", field, "128", f"models/{name}")
        examples["run_script"](page, "make_gpt2.py", *model)
        models["causal"] = f"models/{name}"
    if section == "R4":
        examples["run_script"]("film-reviews-adapters", "make_films.py")
    commands = commands_of(section)
    assert len(commands) > 2
    for words in commands:
        done = run(*arrange(words, models))
        assert done.exit_code == 0, f"siftset {shlex.join(words)}: {done.output}{done.stderr}"


def test_a_seed_decides_everything_that_is_drawn(tmp_path, run):
    def made(name: str, seed: int) -> bytes:
        small = ("--set", "source.synthesize.rows=300")
        out = tmp_path / f"{name}.parquet"
        done = run("synthesize", "nike", "--out", out, "--set", f"seed={seed}", *small)
        assert done.exit_code == 0, done.stderr
        return out.read_bytes()

    assert made("a", 7) == made("b", 7)
    assert made("c", 8) != made("a", 7)
