from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.loading import load_recipe, recipe_json_schema, shipped_recipes
from siftset.schemas.recipe.train import LoraMethod

MINIMAL = {"name": "x", "output": "out", "keep": "a", "source": {"files": {"paths": ["a.csv"]}}}
BASE = "name: x\noutput: out\nkeep: a\nsource: {files: {paths: [a.csv]}}\n"

CONTRACT = """\
name: nike-positive
output: out/nike
seed: 7
source:                                  # one of synthesize | files | hub | delta
  synthesize: {lexicon: nike, rows: 25000, null_share: 0.05, negative_share: 0.25}
  # files: {paths: ["reviews/*.jsonl.zst"], text: review_body, label: stars, id: review_id}
signals:
  nike:     {keyword: {words: [nike]}}
  product:  {keyword: {list: nike_products}}
  positive: {sentiment: {min: 0.05}}
  praise:   {keyword: {list: praise}}
  criticism: {keyword: {list: criticism}}
  polite:   {python: signals_mine.py:polite}          # the user's own
keep: nike & product & (positive | praise) & ~criticism
integrity:
  rows: {text: {not_null: true, not_blank: true, max_chars: 2000}}
  suite: default
  thresholds: {quarantined_share: {warning: 0.05, critical: 0.2}}
dedupe: {exact: true}
split: {train: 0.9, validation: 0.1}
refresh: {retrain_after: 1000, retrain_on_drift: true, merge: append,
          notify: "${SIFTSET_WEBHOOK:-}"}
train:
  task: mlm                              # mlm | classification | causal
  model: minilm
  epochs: 2
  learning_rate: 1e-4
  method: full                           # full | frozen | {last_layers: k} | {lora: {rank: 16}}
compare:
  prompts: ["Nike shoes are very [MASK]", "Nike [MASK] shoes are very comfortable"]
  top_k: 5
"""


def write(folder: Path, text: str, name: str = "r.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_documented_recipe_loads(tmp_path, monkeypatch):
    monkeypatch.delenv("SIFTSET_WEBHOOK", raising=False)
    loaded = load_recipe(write(tmp_path, CONTRACT))
    recipe = loaded.recipe
    assert recipe.train is not None
    assert recipe.train.learning_rate == 1e-4
    assert recipe.signals["polite"] == {"python": "signals_mine.py:polite"}
    assert recipe.integrity.thresholds["quarantined_share"].critical == 0.2
    assert recipe.compare.prompts[0] == "Nike shoes are very [MASK]"
    assert loaded.folder == tmp_path
    assert loaded.resolve("a/b.csv") == tmp_path / "a/b.csv"


def test_the_formats_say_the_same(tmp_path):
    toml = 'name="x"\noutput="out"\nkeep="a"\n[source.files]\npaths=["a.csv"]\n'
    found = [
        load_recipe(write(tmp_path, BASE)).recipe,
        load_recipe(write(tmp_path, toml, "r.toml")).recipe,
        load_recipe(write(tmp_path, json.dumps(MINIMAL), "r.json")).recipe,
        load_recipe(write(tmp_path, "\ufeff" + json.dumps(MINIMAL), "r.yml")).recipe,
    ]
    assert all(recipe == found[0] for recipe in found)


VALUES = [
    ("1e-4", 1e-4),
    ("no", "no"),
    ("yes", "yes"),
    ("on", "on"),
    ("012", 12),
    ("0o14", 12),
    ("12:30", "12:30"),
    ("2024-01-02", "2024-01-02"),
    ("~", None),
    ("true", True),
    ("[1, a]", [1, "a"]),
    ("'1'", "1"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_yaml_is_the_core_schema_of_1_2(text, value, tmp_path):
    raw = load_recipe(write(tmp_path, f"{BASE}signals: {{s: {{kind: {text}}}}}\n")).raw
    assert raw["signals"] == {"s": {"kind": value}}
    assert type(raw["signals"]["s"]["kind"]) is type(value)


MISTAKES = [
    # text of the file, ending, lines of the message
    (BASE + "sed: 1\n", "yaml", ["line 5: sed: unknown key (did you mean 'seed'?)"]),
    (
        BASE.replace("paths", "path"),
        "yaml",
        ["source.files.paths: required, but not given", "line 4: source.files.path: unknown key"],
    ),
    (
        BASE + "train:\n  task: mlm\n  learning_rat: 1\nseed: -1\n",
        "yaml",
        [
            "line 7: train.learning_rat: unknown key (did you mean 'learning_rate'?)",
            "line 8: seed: should be greater than or equal to 0, got -1",
        ],
    ),
    (
        BASE + "train: {task: mlm, method: {lora: {rankk: 3}}}\n",
        "yaml",
        ["line 5: train.method.lora.rankk: unknown key (did you mean 'rank'?)"],
    ),
    (
        BASE + "train: {task: mlm, method: ful}\n",
        "yaml",
        ["train.method: should be 'full' or 'fro"],
    ),
    (BASE + "train: {task: nope}\n", "yaml", ["line 5: train.task: should be 'mlm', 'class"]),
    (BASE + "split: {train: 0.5}\n", "yaml", ["line 5: split: shares must sum to 1, not 0.6"]),
    (BASE + "signals: {a-b: {is_null: {}}}\n", "yaml", ["line 5: signals.a-b"]),
    (BASE + "integrity: {rows: {text: {notnull: true}}}\n", "yaml", ["(did you mean 'not_null'?)"]),
    (BASE + "dedupe: true\n", "yaml", ["line 5: dedupe: expected a mapping, got True"]),
    (BASE.replace("name: x\n", ""), "yaml", ["name: required, but not given"]),
    (BASE.replace("{files:", "{delta: {path: x}, files:"), "yaml", ["expected exactly one of syn"]),
    (BASE + "name: y\n", "yaml", ["line 5: the key 'name' is given twice; keep one"]),
    ("name: [x\n", "yaml", ["line 2: not valid YAML: "]),
    ("- a\n", "yaml", ["expected a mapping of keys such as name, source and keep; got a list"]),
    ("just text\n", "yaml", ["expected a mapping", "got a text"]),
    ("", "yaml", ["got nothing (the file is empty)"]),
    (BASE + "x: !!python/object/apply:os.system [ls]\n", "yaml", ["not valid YAML: could not det"]),
    (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n"
            for m, n in zip("abcdef", "bcdefg", strict=True)
        ),
        "yaml",
        ["more than 100,000 values; not a recipe"],
    ),
    ('{"name": 1, "name": 2}', "json", ["the key 'name' is given twice; keep one"]),
    ("{", "json", ["not valid: Expecting property name"]),
    (
        '{\n"sed": 1, "name": "x", "output": "o", "keep": "a", "source": {"delta": {"path": "x"}}}',
        "json",
        ["line 2: sed: unknown key (did you mean 'seed'?)"],
    ),
    ("name = ", "toml", ["not valid: Invalid value (at"]),
    (
        'name="x"\nsed=1\noutput="o"\nkeep="a"\n[source.delta]\npath="a"',
        "toml",
        ["sed: unknown key"],
    ),
]


@pytest.mark.parametrize(("text", "ending", "expected"), MISTAKES)
def test_mistakes_name_file_line_place_and_remedy(text, ending, expected, tmp_path):
    path = write(tmp_path, text, f"r.{ending}")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"recipe {path}") for line in lines)
    for part in expected:
        assert part in str(raised.value)
    if len(expected) > 1 and "unknown" in str(raised.value):
        assert len(lines) == len(expected)


def test_files_that_are_no_recipe(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    (tmp_path / "folder.yaml").mkdir()
    table = [
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path / "latin.yaml", "not UTF-8 (byte 6)"),
        (tmp_path / "folder.yaml", "cannot be read"),
        (tmp_path / "data.csv", "expected a file that ends in .yaml, .yml, .toml, .json"),
        ("nikee", "no shipped recipe has this name; expected one of film-reviews"),
        ("./nike", "expected a file that ends in"),
    ]
    for path, message in table:
        with pytest.raises(RecipeError) as raised:
            load_recipe(path)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)


SETS = [
    (["seed=3"], ("seed",), 3),
    (["train.learning_rate=1e-5"], ("train", "learning_rate"), 1e-5),
    (["train={task: causal}"], ("train", "task"), "causal"),
    (["train.method={lora: {rank: 4}}"], ("train", "method"), LoraMethod(lora={"rank": 4})),
    (["compare.prompts=[a, b]"], ("compare", "prompts"), ("a", "b")),
    (["keep=a & ~b"], ("keep",), "a & ~b"),
    (["keep=a == 1"], ("keep",), "a == 1"),
    (["seed=3", "seed=4"], ("seed",), 4),
    (["refresh.notify="], ("refresh", "notify"), None),
]


@pytest.mark.parametrize(("overrides", "place", "value"), SETS)
def test_set(overrides, place, value, tmp_path):
    recipe = load_recipe(write(tmp_path, BASE + "train: {task: mlm}\n"), overrides=overrides).recipe
    found: object = recipe
    for part in place:
        found = getattr(found, part)
    assert found == value


WRONG_SETS = [
    ("seed", "expected key=value"),
    ("=3", "expected key=value"),
    ("a..b=3", "expected key=value"),
    ("name.x=3", "holds a single value"),
    ("seed=[", "is not a YAML value"),
    ("train.epoch=3", "train.epoch: unknown key (did you mean 'epochs'?)"),
    ("source.files.paths.4=b.csv", "'4' is not a position in a list of 1"),
]


@pytest.mark.parametrize(("override", "message"), WRONG_SETS)
def test_set_wrongly(override, message, tmp_path):
    with pytest.raises(RecipeError) as raised:
        load_recipe(write(tmp_path, BASE + "train: {task: mlm}\n"), overrides=[override])
    assert message in str(raised.value)


def test_paths_of_set_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    sets = ["output=o", "source.files.paths.0=x.csv", "integrity.suite=default"]
    loaded = load_recipe(write(tmp_path, BASE), overrides=sets)
    [source] = loaded.recipe.source
    assert source.files is not None
    assert loaded.resolve(source.files.paths[0]) == tmp_path / "here/x.csv"
    assert loaded.resolve(loaded.recipe.output) == tmp_path / "here/o"
    assert loaded.recipe.integrity.suite == "default"
    sets = ["source={files: {paths: ['s3://a/b', '~/c', /d]}}", "integrity.suite=suites/mine"]
    loaded = load_recipe(write(tmp_path, BASE), overrides=sets)
    [source] = loaded.recipe.source
    assert source.files is not None
    assert source.files.paths == ("s3://a/b", "~/c", "/d")
    assert loaded.recipe.integrity.suite == str(tmp_path / "here/suites/mine")


def test_environment_variables_are_filled_in_and_never_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.delenv("ABSENT", raising=False)
    text = BASE + 'refresh: {notify: "https://x/${TOKEN}/${ABSENT:-no}"}\n'
    loaded = load_recipe(write(tmp_path, text))
    assert loaded.recipe.refresh.notify == "https://x/s3cret/no"
    assert "s3cret" not in json.dumps(loaded.raw)


def test_an_unset_variable_matters_only_where_it_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("ABSENT", raising=False)
    path = write(tmp_path, BASE + 'refresh: {notify: "${ABSENT}"}\n')
    with pytest.raises(
        RecipeError, match=r"refresh.notify: the environment variable ABSENT is not"
    ):
        load_recipe(path)
    with pytest.raises(RecipeError, match="ABSENT"):
        load_recipe(path, uses={"refresh"})
    assert load_recipe(path, uses={"source", "keep"}).recipe.refresh.notify == "${ABSENT}"


def test_values_of_variables_are_not_read_as_yaml(tmp_path, monkeypatch):
    monkeypatch.setenv("FORMULA", "a: {b: [c]}\nseed: 9")
    loaded = load_recipe(write(tmp_path, BASE.replace("keep: a", 'keep: "${FORMULA}"')))
    assert loaded.recipe.keep == "a: {b: [c]}\nseed: 9"
    assert loaded.recipe.seed == 0


def test_shipped_recipes_load_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nike" in shipped_recipes()
    for name in shipped_recipes():
        loaded = load_recipe(name)
        assert loaded.folder == tmp_path
        assert loaded.path.name == f"{name}.yaml"


def test_the_json_schema_describes_a_recipe():
    schema = recipe_json_schema()
    assert schema["additionalProperties"] is False
    assert {"source", "keep", "train"} <= set(schema["properties"])
    assert set(schema["required"]) == {"name", "output", "source", "keep"}


def test_loading_needs_no_heavy_package():
    heavy = "polars", "pyarrow", "torch"
    code = "import sys, siftset.schemas.recipe.loading; "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


SELVES = [
    "name: &x [*x]\n",
    "name: x\nsignals: &s {a: *s}\n",
    "name: x\nkeep: " + "[" * 3_000 + "]" * 3_000,
]


@pytest.mark.parametrize("text", SELVES)
def test_a_value_that_holds_itself_is_one_line(text, tmp_path):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml")
    assert "\n" not in str(caught.value)
