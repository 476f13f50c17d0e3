"""What a signal depends on, changed or not, in every style: noticed, unchanged, or named.

Each case is run in one process before its change and in another one after it, with another hash
seed; a process runs all cases. Asked are the key of a run, the score cache with what it kept on
disk, what a refresh goes by and, for some, a refresh itself: for all under SIFTSET_TESTS=full.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import siftset

HOME = Path(siftset.__file__).parents[1]


def beside(name: str) -> ModuleType:
    """Load a file that lies beside this one."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ways = beside("ways")
CASES, STYLES = ways.CASES, ways.STYLES
TEXTS = ["x" * size for size in range(1, 13)]
PROGRAM = """
import importlib, json, os, sys
from pathlib import Path
import polars as pl
from siftset.pipeline.refresh import refresh_set
from siftset.pipeline.refresh.plan import hash_rules
from siftset.pipeline.run import score_store
from siftset.pipeline.run.job import load_job
from siftset.schemas.errors import SiftsetError
from siftset.signals.evaluation.decider import FormulaDecider

score_store.SAVES = 0.0

def ask(style, refreshes):
    change = [f"keep={style}", f"output=out-{style}"]
    job = load_job("recipe.json", overrides=change)
    signal = job.decider.questions[style].signal
    cache = score_store.StoredScores(Path("cache"), worth=0.0)
    frame = pl.DataFrame({"text": TEXTS})
    decider = FormulaDecider(job.decider.formula, {style: signal}, cache=cache)
    kept = decider.decide(frame).keep
    decider.close()
    asked = decider.statistics().signals[style]
    found = {"key": job.key, "rules": hash_rules(job), "cached": asked.cached,
             "kept": kept.to_list(), "now": signal.decide(frame).keep.to_list(),
             "told": [one for one in job.sources.warnings if "not tracked" in one]}
    if refreshes:
        found["new"] = refresh_set("recipe.json", overrides=change).new
        made = pl.read_delta(f"out-{style}/set")["text"]
        found["set"] = [text in set(made) for text in TEXTS]
    return found

root, TEXTS, refreshed = Path(sys.argv[1]), json.loads(sys.argv[2]), set(json.loads(sys.argv[3]))
found = {}
for folder in sorted(root.iterdir()):
    os.chdir(folder)
    (folder / "cache").mkdir(exist_ok=True)
    sys.path[:0] = [str(folder / "lib"), str(folder / "lib/site-packages")]
    importlib.invalidate_caches()
    for style in json.loads((folder / "styles.json").read_text()):
        name = f"{folder.name.replace('_', ' ')}, {style}"
        try:
            found[name] = ask(style, name in refreshed)
        except SiftsetError as error:
            found[name] = {"error": str(error)}
    del sys.path[:2]
    for name, module in list(sys.modules.items()):
        places = [getattr(module, "__file__", None), *(vars(module).get("__path__") or ())]
        if any(str(place).startswith(str(folder)) for place in places):
            del sys.modules[name]
print(json.dumps(found))
"""


def write(folder: Path, case: Any, old: str, new: str) -> None:
    text = "import polars as pl\nfrom siftset import preprocessor, signal\n" + case.setup + "\n\n"
    for style in case.styles:
        body = STYLES[style].replace("{style}", style).replace("{more}", case.more)
        body = body.replace("{name}", case.name).replace("{use}", case.use)
        text += f"{case.top}\n{body}\n\n\n"
    asked = ", ".join(
        f'"{style}": {{"python": "mine.py:{style}", "parameters": {case.given}}}'
        for style in case.styles
    )
    recipe = (
        '{"name": "n", "output": "out", "keep": "row", "allow_empty": true, "analysis": "off", '
        f'"source": {{"files": {{"paths": ["in.csv"]}}}}, "signals": {{{asked}}}}}'
    )
    files = {"mine.py": text, "recipe.json": recipe, **dict(case.files)}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((content.replace(old, new) if old else content).encode())
    (folder / "lib").mkdir(exist_ok=True)
    (folder / "in.csv").write_text("\n".join(["text", *TEXTS]), "utf-8")
    (folder / "styles.json").write_text(json.dumps(case.styles))


def refreshed(every: Callable[[int, int], int]) -> list[str]:
    """Choose which cases a refresh is run for: a twelfth of them, in one style, or all."""
    pairs = [f"{name}, {style}" for name, case in CASES.items() for style in case.styles]
    return pairs[:: every(41, 1)]


@pytest.fixture(scope="module")
def found(tmp_path_factory, few_or_all) -> list[dict[str, dict]]:
    """What the two processes say of every case."""
    root = tmp_path_factory.mktemp("cases")
    answers = []
    for seed, changed in (("1", False), ("2", True)):
        for name, case in CASES.items():
            write(root / name.replace(" ", "_"), case, case.old, case.new if changed else case.old)
        environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONHASHSEED": seed, "N": seed}
        given = [str(root), json.dumps(TEXTS), json.dumps(refreshed(few_or_all))]
        done = subprocess.run([sys.executable, "-B", "-c", PROGRAM, *given], env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    return answers


@pytest.mark.parametrize(
    ("name", "style"), [(name, style) for name, case in CASES.items() for style in case.styles]
)
def test_what_changed_is_noticed_and_what_did_not_is_not(found, name: str, style: str) -> None:
    case = CASES[name]
    before, after = (one[f"{name}, {style}"] for one in found)
    assert "error" not in {**before, **after}, after
    for way in ("key", "rules"):
        assert (before[way] != after[way]) is bool(case.noticed), way
    assert bool(after["told"]) is (case.noticed is None), after["told"]
    # nothing is stored of expressions; what is stored of others is used where nothing changed
    stored = 0 if case.noticed or style == "expression" else len(TEXTS)
    assert (before["cached"], after["cached"]) == (0, stored)
    if "new" in after:
        assert (before["new"], after["new"]) == (True, bool(case.noticed))
    if case.noticed is not None:
        assert after["kept"] == after.get("set", after["kept"]) == after["now"]
