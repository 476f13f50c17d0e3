"""Projects to start from: each template runs at once, on its sample and on a reader's own file."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.init import init_project, known_templates
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.loading import load_recipe

TEMPLATES = ("answers", "reviews", "tickets", "tweets")


def needs(template: str) -> None:
    if template == "tickets":
        pytest.importorskip("py3langid")


def test_the_help_names_every_template(run):
    assert known_templates() == TEMPLATES
    shown = run("init", "--help").stdout
    assert "siftset init my-project --template tickets" in " ".join(shown.split())
    assert all(template in shown for template in TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_checks_and_curates_at_once(template, tmp_path, run, told):
    needs(template)
    made = told("init", str(tmp_path / "mine"), "--template", template)
    recipe = str(tmp_path / "mine" / "recipe.yaml")
    assert {"recipe.yaml", "signals_mine.py"} < set(made["files"])
    checked = told("check", recipe)
    assert checked["ok"] is True
    assert checked["model"] is not None
    assert run("signals", "test", str(tmp_path / "mine" / "signals_mine.py")).exit_code == 0
    assert "verdict pass" in run("curate", recipe).stdout
    found = told("curate", recipe)
    rows = found["rows"]
    assert isinstance(rows, dict)
    assert 0 < rows["kept"] < rows["read"]
    assert rows["rejected"] > 0
    assert rows["quarantined"] > 0
    assert rows["duplicate"] > 0


@pytest.mark.parametrize("template", ["answers", "tickets", "tweets"])
def test_every_signal_of_a_template_refuses_a_row_of_its_sample(template, tmp_path, run):
    needs(template)
    init_project(tmp_path / "mine", template)
    done = run("curate", str(tmp_path / "mine" / "recipe.yaml"))
    assert done.exit_code == 0
    assert "note" not in done.stdout


def test_each_template_trains_something(tmp_path):
    tasks = {}
    for template in TEMPLATES:
        init_project(tmp_path / template, template)
        train = load_recipe(tmp_path / template / "recipe.yaml").recipe.train
        assert train is not None
        tasks[template] = train.task
    assert tasks == {
        "answers": "mlm", "reviews": "mlm", "tickets": "classification", "tweets": "mlm",
    }  # fmt: skip


def uncommented(recipe: Path) -> None:
    """Put the section of the comment into the place of the active one, as a reader would."""
    head, rest = recipe.read_text("utf-8").split("train:  ", 1)
    other = rest[rest.index("# train:") : rest.index("\ncompare:")]
    lines = [line.removeprefix("# ") for line in other.splitlines()]
    recipe.write_text(head + "\n".join(lines) + rest[rest.index("\ncompare:") :], "utf-8")


def test_the_other_training_of_answers_is_whole(tmp_path):
    init_project(tmp_path, "answers")
    uncommented(tmp_path / "recipe.yaml")
    train = load_recipe(tmp_path / "recipe.yaml").recipe.train
    assert train is not None
    assert (train.task, train.template) == ("causal", "Question: {question}\nAnswer: {text}")


MESSAGES = ["My {thing} broke after a week and I hate it", "I love the new {thing}, it is great"]
OWN = {
    "reviews": {"body": MESSAGES, "stars": ["1", "5"]},
    "tickets": {"message": MESSAGES, "team": ["repair", "sales"]},
    "tweets": {"tweet": MESSAGES, "user": ["ann", "tom"]},
    "answers": {
        "Prompt": ["How do I repair my {thing}?", "What is a good {thing}?"],
        "Response": ["Take it to the shop and ask there.", "No idea."],
    },
}
FOUND = {
    "reviews": {"text": "body", "label": "stars"},
    "tickets": {"text": "message", "label": "team"},
    "tweets": {"text": "tweet", "label": None},
    "answers": {
        "text": None,
        "label": None,
        "messages": {"user": "Prompt", "assistant": "Response"},
    },
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_runs_on_data_of_ones_own(template, tmp_path, told):
    needs(template)
    things = ["lamp", "kettle", "drill", "sofa", "chair", "table", "shelf", "phone"]
    columns = {
        name: [text.format(thing=thing) + " " * n for n, thing in enumerate(things) for text in two]
        for name, two in OWN[template].items()
    }
    if "Response" in columns:
        columns["Response"] = [f"{n}: {text}" for n, text in enumerate(columns["Response"])]
    pl.DataFrame(columns).with_columns(pl.all().str.strip_chars()).write_csv(tmp_path / "own.csv")
    folder = tmp_path / "new"
    made = told("init", str(folder), "--template", template, "--from", str(tmp_path / "own.csv"))
    assert made["columns"] == {**FOUND[template], "id": None}
    assert made["files"] == ["recipe.yaml", "signals_mine.py"]
    rows = told("curate", str(folder / "recipe.yaml"))["rows"]
    assert isinstance(rows, dict)
    assert 0 < rows["kept"] <= rows["read"] == 16
    assert bool(made["kept"])


REFUSED = [
    (
        ["--template", "emails"],
        "--template emails: no such template, expected one of answers, reviews, tickets, tweets",
    ),
    (["--template", "../lists"], "no such template"),
    (["--template", ""], "no such template"),
    (["--template", "tweets", "--from", "nothing.csv"], "nothing.csv: no such file"),
    (
        ["--template", "answers", "--from", "own.csv"],
        "no columns of questions and answers, expected question and answer or instruction and",
    ),
    (["--from", "numbers.parquet"], "no column holds text, it has number"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_cannot_be_made_is_one_line(arguments, message, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("body,stars\ngood,5\n", "utf-8")
    pl.DataFrame({"number": [1, 2]}).write_parquet("numbers.parquet")
    done = run("init", "new", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("new").exists()


@pytest.mark.parametrize("taken", ["recipe.yaml", "signals_mine.py", "tweets.jsonl"])
def test_nothing_is_overwritten(taken, tmp_path, run):
    (tmp_path / taken).write_text("mine", "utf-8")
    done = run("init", str(tmp_path), "--template", "tweets")
    assert done.exit_code == 2
    assert "exists already: nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text("utf-8") == "mine"


def test_an_unknown_template_is_told_in_python_too(tmp_path):
    with pytest.raises(RecipeError, match="no such template"):
        init_project(tmp_path, "emails")
