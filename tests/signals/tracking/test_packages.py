"""Installed packages that kinds and metrics come from: another version is another signal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import siftset

HOME = Path(siftset.__file__).parents[1]
KIND = """
from siftset.signals.family import Parameters, family

@family(Parameters, definition="here")
def NAME(parameters, build):
    \"\"\"Long.\"\"\"
    return build.STYLE(lambda text: BODY)
"""
BODIES = {
    "expression": "text.str.len_chars() > limit()",
    "batch": "text.str.len_chars() > limit()",
    "row": "len(text) > limit()",
}
LIMIT = "\ndef limit():\n    return 3\n"
METRIC = "import acme_metric\n\ndef share(kept):\n    return acme_metric.limit()\n"
PROGRAM = """
import json
from pathlib import Path
from siftset.pipeline.run.job import load_job

found = {}
for path in sorted(Path().glob("*.json")):
    job = load_job(path)
    prints = [one.signal.score_fingerprint for one in job.decider.questions.values()]
    found[path.stem] = [job.key, *prints]
print(json.dumps(found))
"""


def install(folder: Path, name: str, code: str, version: str, *, edited: bool = False) -> None:
    """Lay a package down as an installer does, or as one that is still edited where it lies."""
    site = folder / "site-packages"
    code_folder = (folder / "lib" if edited else site) / name
    code_folder.mkdir(parents=True, exist_ok=True)
    (code_folder / "__init__.py").write_text(code, "utf-8")
    info = site / f"{name}-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8"
    )
    (info / "entry_points.txt").write_text(f"[siftset.signals]\n{name} = {name}:{name}\n", "utf-8")


def write(folder: Path, version: str, limit: str) -> None:
    for style, body in BODIES.items():
        for name, edited in ((f"acme_{style}", False), (f"edited_{style}", True)):
            kind = KIND.replace("NAME", name).replace("STYLE", style).replace("BODY", body)
            code = kind + LIMIT.replace("3", limit if edited else "3")
            install(folder, name, code, "1.0" if edited else version, edited=edited)
            write_recipe(folder / f"{name}.json", {"signals": {"s": {name: {}}}})
    install(folder, "acme_metric", LIMIT, version)
    (folder / "metrics.py").write_text(METRIC, "utf-8")
    write_recipe(
        folder / "metric.json", {"integrity": {"metrics": {"share": "metrics.py:share"}},
                                 "signals": {"s": {"length": {"min": 1}}}}
    )  # fmt: skip


def write_recipe(path: Path, sections: dict[str, object]) -> None:
    source = {"files": {"paths": ["in.csv"]}}
    path.write_text(
        json.dumps({"name": "n", "output": "out", "source": source, "keep": "s", **sections})
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[str]]]:
    """What a process finds at first, one after nothing has changed, and one after all has."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "in.csv").write_text("text\nhello\n", "utf-8")
    path = os.pathsep.join(str(folder / one) for one in ("site-packages", "lib"))
    answers = []
    for seed, version, limit in (("1", "1.0", "3"), ("2", "1.0", "3"), ("3", "1.1", "4")):
        write(folder, version, limit)
        environment = {**os.environ, "PYTHONPATH": f"{HOME}{os.pathsep}{path}",
                       "PYTHONHASHSEED": seed}  # fmt: skip
        done = subprocess.run([sys.executable, "-B", "-c", PROGRAM], cwd=folder, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    return answers


@pytest.mark.parametrize("name", [f"{made}_{style}" for made in ("acme", "edited")
                                  for style in BODIES])  # fmt: skip
def test_another_version_or_code_of_a_plugin_is_noticed_and_the_same_is_not(found, name) -> None:
    first, same, changed = (one[name] for one in found)
    assert first == same
    assert all(old != new for old, new in zip(first, changed, strict=True))


def test_another_version_of_a_package_that_a_metric_uses_is_noticed(found) -> None:
    first, same, changed = (one["metric"] for one in found)
    assert first == same
    assert first[0] != changed[0]
    assert first[1] == changed[1]
