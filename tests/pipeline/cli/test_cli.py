from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.schemas.recipe.documents import parse_document

ROOT = Path(__file__).parents[3]
COMMANDS = [
    "init", "check", "curate", "explain", "train", "compare", "predict", "onnx", "refresh",
    "synthesize", "export", "report", "serve", "history", "rollback", "doctor", "schema",
]  # fmt: skip
GROUPED = ["list", "show", "try", "test"]
HEAVY = {"polars", "pydantic", "pyarrow", "numpy", "torch", "transformers", "great_expectations"}


@pytest.fixture
def project(tmp_path: Path, run) -> Path:
    folder = tmp_path / "project"
    assert run("init", str(folder)).exit_code == 0
    return folder


@pytest.mark.parametrize("arguments", [[c] for c in COMMANDS] + [["signals", c] for c in GROUPED])
def test_every_command_has_help_with_an_example(arguments, run):
    done = run(*arguments, "--help")
    assert done.exit_code == 0
    assert f"Example:  siftset {' '.join(arguments)}" in " ".join(done.stdout.split("\n"))
    assert "--json" in done.stdout
    assert "--quiet" in done.stdout


@pytest.mark.parametrize("group", [(), ("signals",)])
def test_the_list_of_commands_cuts_no_line_short(group, run):
    listed = run(*group, "--help").stdout.partition("Commands:")[2]
    assert listed.count("\n") > 4
    assert "..." not in listed


def test_training_reads_its_recipe_once(run, tmp_path, monkeypatch):
    read = []
    recipe = "name: r\noutput: out\nsource: {files: {paths: [a.csv]}}\nkeep: s\n"
    recipe += "signals: {s: {length: {min: 1}}}\ntrain: {task: mlm, model: minilm}\n"
    (tmp_path / "r.yaml").write_text(recipe)
    monkeypatch.setattr(
        "siftset.schemas.recipe.loading.parse_document",
        lambda text, path: read.append(path) or parse_document(text, path),
    )
    out = f"output={tmp_path / 'out'}"
    done = run("train", str(tmp_path / "r.yaml"), "--version", "0", "--set", out)
    assert done.exit_code == 2
    assert len(read) == 1


def test_version(run):
    assert run("--version").stdout == f"siftset {version('siftset')}\n"


def cpu_seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_light():
    code = (
        "import sys, contextlib\n"
        "from siftset.pipeline.cli import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'])\n"
        "print('|', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert HEAVY.isdisjoint(done.stdout.partition("|")[2].split())
    ours = min(cpu_seconds(code) for _ in range(3))
    assert ours <= 3 * min(cpu_seconds("import polars") for _ in range(3))


@pytest.mark.parametrize(
    ("words", "place", "expected"), [("siftset cur", 1, "curate"), ("siftset train ni", 2, "nike")]
)
def test_a_shell_completes_commands_and_recipes(words, place, expected):
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(place), "_SIFTSET_COMPLETE": "complete_bash"}
    assert CliRunner().invoke(app, [], env=asked, prog_name="siftset").output.split() == [expected]


def test_a_project_curates_at_once(project, told):
    recipe = str(project / "recipe.yaml")
    assert told("check", recipe)["ok"] is True
    found = told("curate", recipe)
    rows = found["rows"]
    assert isinstance(rows, dict)
    assert rows["read"] == sum(v for k, v in rows.items() if k != "read") == 60
    assert {"run_id", "version", "report", "seconds", "new"} <= found.keys()
    assert Path(str(found["report"])).is_file()
    again = told("curate", recipe)
    assert (again["new"], again["run_id"]) == (False, found["run_id"])


def test_what_a_person_reads(project, run):
    recipe = str(project / "recipe.yaml")
    shown = run("curate", recipe)
    assert "Published version 0" in shown.stdout
    assert "read and sift" in shown.stderr
    for word in ("read", "kept", "rejected", "quarantined", "duplicate", "unreadable", "report"):
        assert f"  {word}" in shown.stdout
    assert following(shown.stdout) == f"siftset train {recipe}"
    nothing = run("curate", recipe).stdout
    assert "Nothing new: version 0" in nothing
    assert "report" in nothing
    for word in ("read", "kept", "rejected", "duplicate"):  # no balance of a run that read nothing
        assert f"  {word}  " not in nothing
    quiet = run("curate", recipe, "--fresh-set", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def following(shown: str) -> str:
    return re.findall(r"^  next +(.*)$", shown, re.MULTILINE)[0]


def test_the_next_command_is_one_that_works(tmp_path, run):
    (tmp_path / "in.csv").write_text("text\nhello there\ngood bye\n")
    recipe = tmp_path / "my recipe.yaml"
    recipe.write_text(
        "name: t\noutput: out\nsource: {files: {paths: [in.csv]}}\n"
        "signals: {long: {length: {min: 2}}}\nkeep: long\n"
    )
    named = f"'{recipe}'"
    assert following(run("curate", recipe, "--dry-run").stdout) == f"siftset curate {named}"
    assert following(run("refresh", recipe, "--dry-run").stdout) == f"siftset refresh {named}"
    explain = following(run("curate", recipe).stdout)
    assert explain == f"siftset explain {named}"
    assert run(*shlex.split(explain)[1:]).exit_code == 0
    changed = run("curate", recipe, "--set", "train={task: mlm}", "--set", "seed=2").stdout
    assert following(changed) == f"siftset train {named} --set 'train={{task: mlm}}' --set seed=2"


def test_init_leaves_what_is_there(project, run):
    (project / "recipe.yaml").write_text("mine")
    done = run("init", str(project))
    assert done.exit_code == 2
    assert "exists already: nothing was written" in done.stderr
    assert (project / "recipe.yaml").read_text() == "mine"


def test_init_from_data_of_ones_own(tmp_path, told):
    data = tmp_path / "reviews.csv"
    rows = [("id", "review body", "rating")]
    rows += [(str(n), f"I love this and it works well, number {n}", "5") for n in range(10)]
    rows += [(str(n), f"This is awful and I hate it, number {n}", "1") for n in range(10, 20)]
    data.write_text("\n".join(",".join(f'"{c}"' for c in row) for row in rows) + "\n")
    found = told("init", str(tmp_path / "new"), "--from", str(data))
    assert found["columns"] == {"text": "review body", "label": "rating", "id": "id"}
    assert (len(found["kept"]), len(found["rejected"])) == (5, 5)
    rows_kept = told("curate", str(tmp_path / "new/recipe.yaml"))["rows"]
    assert rows_kept == {
        "read": 20, "kept": 10, "rejected": 10, "quarantined": 0, "duplicate": 0, "unreadable": 0,
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_export_by_ending(project, tmp_path, ending, told):
    recipe = str(project / "recipe.yaml")
    kept = told("curate", recipe)["set_rows"]
    out = tmp_path / f"set.{ending}"
    assert told("export", recipe, "--out", str(out))["rows"] == kept
    reader = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[ending]
    frame = reader(out)
    assert frame.height == kept
    assert frame["row_id"].n_unique() == kept
    signals = frame["signals"][0]
    assert (json.loads(signals) if ending == "csv" else signals)["positive"] == "true"


def test_export_of_an_earlier_version(project, tmp_path, told):
    recipe = str(project / "recipe.yaml")
    first = told("curate", recipe)["set_rows"]
    told("curate", recipe, "--set", "keep=positive & long_enough & mine")
    out = str(tmp_path / "old.jsonl")
    assert told("export", recipe, "--out", out, "--version", "0")["rows"] == first
    assert [v["version"] for v in told("history", recipe)["versions"]] == [1, 0]


def test_synthesize(tmp_path, told):
    out = tmp_path / "made.parquet"
    changes = ["--set", "source.synthesize.rows=2000"]
    assert told("synthesize", "nike", "--out", str(out), *changes)["rows"] == 2000
    frame = pl.read_parquet(out)
    assert frame["text"].null_count() == 100
    assert frame["label"].value_counts().sort("label")["count"].to_list() == [500, 1500]


def test_explain_a_plan_and_rows(project, run, told):
    recipe = str(project / "recipe.yaml")
    run_id = told("curate", recipe)["run_id"]
    assert "positive" in run("explain", recipe, "--analyze").stdout
    folder = project / "out/runs" / str(run_id)
    kept = pl.read_delta(str(project / "out/set"))["row_id"][0]
    assert told("explain", recipe, "--row", kept)["where"] == "kept"
    for place in ("rejected", "duplicates", "quarantine"):
        row_id = pl.read_parquet(folder / place / "*.parquet")["row_id"][0]
        assert told("explain", recipe, "--row", row_id)["where"] == place
    done = run("explain", recipe, "--row", "0" * 32)
    assert done.exit_code == 2
    assert "or a row_id of the set or of a run's rejected/ folder" in done.stderr


def test_explain_what_enters_and_leaves(project, run, told):
    recipe = str(project / "recipe.yaml")
    before = told("curate", recipe)["set_rows"]
    found = told("explain", recipe, "--diff", "--set", "keep=long_enough & mine")
    after = told("curate", recipe, "--set", "keep=long_enough & mine")["set_rows"]
    changes = found["changes"]
    assert before - changes["removed"] + changes["added"] == after
    assert changes["removed"]
    keep = ("--set", "keep=long_enough & mine")
    assert not told("explain", recipe, "--diff", *keep)["changes"]["removed"]
    assert told("explain", recipe, "--diff", "--version", "0", *keep)["changes"] == changes
    assert "add --row or --diff" in run("explain", recipe, "--version", "0").stderr


def test_signals(project, run, told):
    assert "keyword" in run("signals", "list").stdout
    assert "words" in run("signals", "show", "keyword").stdout
    data = str(project / "reviews.jsonl")
    found = told("signals", "try", "keyword(words=['sound'])", "--data", data)
    assert 0 < int(str(found["kept"])) < int(str(found["rows"]))
    assert told("signals", "test", str(project / "signals_mine.py"))["laws"]
    broken = project / "broken.py"
    broken.write_text(
        "from siftset import signal\n\n\n@signal(examples=[('a', False)])\n"
        'def always(text: str) -> bool:\n    """Yes."""\n    return True\n'
    )
    done = run("signals", "test", str(broken))
    assert done.exit_code == 2
    assert "FAIL always" in done.stdout


def test_doctor_and_schema(run, told):
    assert told("doctor")["extras"]
    assert told("schema")["properties"]
    assert json.loads(run("schema").stdout)["title"] == "Recipe"


MISTAKES = [
    ("a misspelt key", "keep: long\nkeeep: x\n", "did you mean"),
    ("an unknown signal", "keep: long & nowhere\n", "nowhere"),
    ("a word for an operator", "keep: long and long\n", "&"),
    ("a missing column", "source: {files: {paths: [in.csv], text: nope}}\n", "nope"),
    ("no such file", "source: {files: {paths: [none.csv]}}\n", "none.csv"),
    ("an unwritable output", "output: recipe.yaml/out\n", "cannot be written"),
    ("an output in its input", "output: in.csv/out\n", "lies inside the input"),
    ("an unknown threshold", "integrity: {thresholds: {nonsense: {critical: 1}}}\n", "nonsense"),
    ("an unset variable", 'output: "${NOT_SET_ANYWHERE}"\n', "NOT_SET_ANYWHERE"),
]


@pytest.mark.parametrize(("what", "text", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(tmp_path, what, text, message, run):
    base = {
        "name": "name: t\n",
        "output": "output: out\n",
        "source": "source: {files: {paths: [in.csv]}}\n",
        "keep": "keep: long\n",
        "signals": "signals: {long: {length: {min: 2}}}\n",
    }
    base[text.partition(":")[0]] = text
    (tmp_path / "in.csv").write_text("text\nhello\nworld\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("".join(base.values()))
    done = run("curate", str(recipe))
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert message in lines[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out/set").exists()
    as_json = json.loads(run("curate", str(recipe), "--json").stdout)
    assert as_json["exit_code"] == 2
    assert message in as_json["error"]


def test_training_without_a_section_shows_what_to_paste(tmp_path, run):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: t\noutput: out\nsource: {files: {paths: [x.csv]}}\nkeep: a\n")
    done = run("train", str(recipe))
    assert done.exit_code == 2
    assert "train: {task: mlm" in done.stderr


def test_a_folder_full_of_our_names_does_not_hurt(project):
    for name in ("signals.py", "pipeline.py", "schemas.py"):
        (project / name).write_text("raise ImportError('a stranger')\n")
    (project / "data").mkdir()
    (project / "data/__init__.py").write_text("raise ImportError('a stranger')\n")
    script = Path(sys.executable).parent / "siftset"
    done = subprocess.run(
        [script, "curate", "recipe.yaml", "--set", "keep=positive & mine"],
        capture_output=True, text=True, check=False, cwd=project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_long_stage_is_told_of_now_and_then(capsys, monkeypatch):
    from siftset.pipeline.cli.console import Screen

    with Screen().progress().stage("train", 4) as stage:
        stage.advance(1, "loss 3")
        monkeypatch.setattr("siftset.schemas.progress.EVERY", 0.0)
        stage.advance(2, "loss 2")
        monkeypatch.undo()
        stage.advance(1)
    told = capsys.readouterr().err.splitlines()
    assert told == ["train: 3 of 4  loss 2", "train: 4 of 4  loss 2"]
