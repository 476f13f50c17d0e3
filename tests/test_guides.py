"""Pages with a setting of their own: what they say is run where it can be."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = ("docs/gpu.md", "docs/label-review.md", "docs/selection.md")


def pages():
    spec = importlib.util.spec_from_file_location("_pages", ROOT / "tests" / "test_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", GUIDES)
def test_every_block_of_a_guide_runs(page, tmp_path):
    pytest.importorskip("torch")
    module = pages()
    for language, text in module.FENCE.findall((ROOT / page).read_text("utf-8")):
        module.run_block(language, text, tmp_path)


# the fields of RayJobSpec and RayClusterSpec of KubeRay 1.6 that the page needs, with their types
JOB = {"entrypoint": str, "shutdownAfterJobFinishes": bool, "backoffLimit": int}
POD = {"rayStartParams": dict, "template": dict}


def test_what_the_page_of_clusters_hands_to_others_can_be_read():
    import yaml

    blocks = [text for _, text in pages().FENCE.findall((ROOT / "docs/ray.md").read_text("utf-8"))]
    (script,) = (text for text in blocks if text.startswith("#!/bin/bash"))
    pages().run(["bash", "-n", "-c", script], ROOT)
    (job,) = (yaml.safe_load(text) for text in blocks if text.startswith("apiVersion"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"].pop("rayClusterSpec")
    assert {name: type(value) for name, value in job["spec"].items()} == JOB
    assert set(cluster) == {"authOptions", "headGroupSpec", "workerGroupSpecs"}
    (workers,) = cluster["workerGroupSpecs"]
    assert {name: type(value) for name, value in cluster["headGroupSpec"].items()} == POD
    assert {n: type(v) for n, v in workers.items()} == {**POD, "groupName": str, "replicas": int}
    for group in (cluster["headGroupSpec"], workers):
        assert all(type(value) is str for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("page", ["api", "commands", "notebook"])
def test_made_pages_are_those_of_their_source(page):
    code = f"import runpy; print(runpy.run_path('make_{page}.py')['page'](), end='')"
    made = pages().run([sys.executable, "-c", code], ROOT / "docs")
    assert made == (ROOT / f"docs/{page}.md").read_text("utf-8"), f"run docs/make_{page}.py"


def test_the_first_lines_of_the_reference_run(tmp_path):
    module = pages()
    language, text = module.FENCE.findall((ROOT / "docs/api.md").read_text("utf-8"))[0]
    module.run_block(language, text + "assert wanted('I love these shoes!')\n", tmp_path)


def test_the_page_of_benchmarks_names_every_program():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("only the wheel is here")
    page = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    named = {
        f"{name}.py" for name in re.findall(r"python (?:benchmarks/|-m benchmarks\.)(\w+)", page)
    }
    here = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    parts = {"children.py", "corpus.py", "tiny.py", "watched.py"}
    assert named | {"against_peers.py"} == here - parts
    assert "make bench" in page


WORKFLOW = "# .github/workflows/retraining-set.yaml"
GH = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --body-file ] && cp "$2" comment-of-the-pull-request.md; shift; done
"""
REVIEWS = """
name: reviews
output: out
source: {files: {paths: ["in/*.jsonl"]}}
signals: {long: {length: {min: LEAST}}}
keep: long
"""


def steps_of(job):
    """The scripts of a job's steps in order, but the installation, by name."""
    return {s["name"]: s["run"] for s in job["steps"] if "run" in s and s["name"] != "install"}


@pytest.mark.slow
def test_the_workflow_of_an_approval_runs_step_by_step(tmp_path, monkeypatch):
    import yaml

    module = pages()
    text = (ROOT / "docs/approval.md").read_text("utf-8")
    blocks = [block for _, block in module.FENCE.findall(text)]
    (workflow,) = (yaml.safe_load(b) for b in blocks if b.startswith(WORKFLOW))
    assert set(workflow[True]) == {"pull_request", "push"}  # `on` is a truth to YAML 1.1
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    for name, value in {
        "RECIPE": "reviews.yaml", "GITHUB_ACTOR": "ana", "GITHUB_SHA": "abc", "CODE": "10",
        "GITHUB_OUTPUT": "outputs", "GITHUB_REPOSITORY": "o/r", "PULL_REQUEST": "7",
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text(
        '{"text": "a short one"}\n{"text": "one that is longer"}\n'
    )

    def do(script):
        return module.run(["bash", "-eo", "pipefail", "-c", script], tmp_path)

    for least, said in ((3, "2 rows added"), (15, "1 removed")):
        (tmp_path / "reviews.yaml").write_text(REVIEWS.replace("LEAST", str(least)))
        for script in steps_of(workflow["jobs"]["plan"]).values():
            do(script)
        assert "code=10" in (tmp_path / "outputs").read_text()
        assert said in (tmp_path / "comment-of-the-pull-request.md").read_text()
        assert (tmp_path / "diff.html").is_file()
        for script in steps_of(workflow["jobs"]["apply"]).values():
            do(script)
    history = do("siftset history reviews.yaml")
    assert [line.split()[1] for line in history.splitlines()] == ["1", "0"]
    assert history.count("approved by ana") == 2


def test_the_variants_of_schedulers_are_python():
    blocks = pages().FENCE.findall((ROOT / "docs/approval.md").read_text("utf-8"))
    for language, block in blocks:
        if language == "python":
            compile(block, "docs/approval.md", "exec")


def test_the_concepts_count_the_kinds_that_come_with_siftset():
    from siftset.signals.registry import KINDS

    assert f"[{len(KINDS)} kinds](kinds.md)" in (ROOT / "docs/concepts.md").read_text("utf-8")
