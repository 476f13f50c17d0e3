"""The table of requirements names commands that exist, recipes that ship, keys that are known."""

from __future__ import annotations

import re
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
