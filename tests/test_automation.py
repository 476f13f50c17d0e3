"""What others run for us: the action's steps, the hook, the container's steps, the schema."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECIPE = """
name: reviews
output: out
source: {files: {paths: ["in/*.jsonl"]}}
signals: {long: {length: {min: 3}}}
keep: long
"""
HERE = pytest.mark.skipif(not (ROOT / "action.yml").is_file(), reason="only the wheel is here")


def _run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def _read_yaml(path: Path):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    rows = ("a short one", "one that is longer", "x")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in rows)
    (tmp_path / "in/a.jsonl").write_text(lines)
    (tmp_path / "reviews.yaml").write_text(RECIPE)
    return tmp_path


@HERE
@pytest.mark.slow
def test_the_steps_of_the_action_check_and_plan(project: Path) -> None:
    action = _read_yaml(ROOT / "action.yml")
    steps = {one["name"]: one for one in action["runs"]["steps"] if "run" in one}
    assert [*steps] == ["install", "check", "plan"]
    given = {name: spec.get("default", "") for name, spec in action["inputs"].items()}
    given |= {"recipe": "reviews.yaml"}
    seen = []
    for change, published in (("", False), ("signals.long.length.min=15", False), ("", True)):
        given["set"] = change
        told = {"GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_ACTOR": "ana"}
        for name in told.values():
            (project / name).unlink(missing_ok=True)
        if published:
            assert _run("siftset apply reviews.yaml --by ana; rm -rf out/plans", project).stdout
        for name in ("check", "plan"):
            env = {
                key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)
                for key, value in steps[name]["env"].items()
            }
            done = _run(steps[name]["run"], project, **told, **env)
            assert done.returncode == 0, done.stdout + done.stderr
        outputs = dict(one.split("=", 1) for one in (project / "outputs").read_text().splitlines())
        seen.append((outputs["changed"], outputs["verdict"], bool(outputs["plan-id"])))
        summary = (project / "summary").read_text()
        said = "No row of the set would change." if published else "rows added"
        assert said in summary or "1 row added" in summary
        if change:
            _run("rm -rf out/plans; siftset plan reviews.yaml", project)
    assert seen == [("true", "pass", True), ("true", "pass", True), ("false", "", False)]


@HERE
def test_no_input_of_the_action_becomes_text_of_a_script() -> None:
    action = _read_yaml(ROOT / "action.yml")
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    page = (ROOT / "docs/automation.md").read_text("utf-8")
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in page


@HERE
def test_the_hook_checks_every_recipe_that_is_named(project: Path) -> None:
    from typer.testing import CliRunner

    from siftset.pipeline.cli import app

    (hook,) = _read_yaml(ROOT / ".pre-commit-hooks.yaml")
    program, *words = hook["entry"].split()
    assert program == "siftset"
    for name in ("recipes/a.yaml", "recipes/deep/b.toml", "recipes/c.json"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "src/recipes/a.py")
    good, bad = project / "reviews.yaml", project / "bad.yaml"
    bad.write_text(RECIPE.replace("keep: long", "keep: lonk"))
    found = CliRunner().invoke(app, [*words, str(good), str(bad), str(good)])
    assert found.exit_code == 2
    assert "no signal is called 'lonk' (did you mean 'long'?)" in found.output
    assert "1 of 3 recipes are not in order" in found.output
    assert CliRunner().invoke(app, [*words, str(good), str(good)]).exit_code == 0


@HERE
def test_the_container_s_steps_are_without_root_and_pinned() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    last = max(at for at, step in enumerate(steps) if step[0] == "FROM")
    final = steps[last:]
    users = [step[1] for step in final if step[0] == "USER"]
    assert users == ["siftset"]
    after = final[[step[0] for step in final].index("USER") :]
    assert "ENTRYPOINT" in {step[0] for step in after}
    installs = [step[1] for step in steps if "pip install" in step[1] and "EXTRAS" in step[1]]
    assert len(installs) == 1
    assert "--constraint constraints.txt" in installs[0]
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    default = re.search(r"ARG EXTRAS=(\S+)", text)[1].split(",")
    assert set(default) <= set(extras["optional-dependencies"])


def test_the_published_schema_is_that_of_the_code() -> None:
    from importlib.resources import files

    from siftset.schemas.recipe.loading import recipe_json_schema

    shipped = json.loads(files("siftset.data").joinpath("recipe.schema.json").read_text("utf-8"))
    assert shipped == recipe_json_schema(), "run docs/make_recipe.py"
    on_the_site = ROOT / "docs/recipe.schema.json"
    if on_the_site.is_file():
        assert json.loads(on_the_site.read_text("utf-8")) == shipped


def test_shipped_recipes_fit_the_published_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from siftset.schemas.recipe.loading import load_recipe, recipe_json_schema, shipped_recipes

    checker = jsonschema.Draft202012Validator(recipe_json_schema())
    for name in shipped_recipes():
        assert [one.message for one in checker.iter_errors(load_recipe(name).raw)] == [], name


@HERE
@pytest.mark.parametrize("page", ["automation", "monitoring", "editors"])
def test_blocks_for_other_programs_can_be_read(page: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    spec = importlib.util.spec_from_file_location("_pages", ROOT / "tests" / "test_pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    (tmp_path / "reviews.csv").write_text(pages.REVIEWS, "utf-8")
    for language, text in pages.FENCE.findall((ROOT / f"docs/{page}.md").read_text("utf-8")):
        if language == "yaml":
            assert yaml.safe_load(text)
            pages.run_block(language, text, tmp_path) if text.startswith("# mine.yaml") else None
        elif language == "json":
            json.loads(text)
        elif language == "python":
            compile(text, page, "exec")
        else:
            pages.run_block(language, text, tmp_path)
