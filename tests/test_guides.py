"""Pages with a setting of their own: what they say is run where it can be."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = ("docs/gpu.md", "docs/label-review.md")


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


@pytest.mark.parametrize("page", ["api", "notebook"])
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
