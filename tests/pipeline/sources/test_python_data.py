"""Tables of every library as the source, and recipes that Python holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from siftset import Recipe, curate
from siftset.pipeline.sources import Sources, frame_source
from siftset.schemas.errors import RecipeError, SourceError

rows = Sources.frame
ROWS = [{"body": "warm", "n": 1}, {"body": "tore", "n": None}, {"body": "warm", "n": 1}]
RECIPE: dict[str, Any] = {
    "name": "frames",
    "output": "out",
    "source": {"frame": {"text": "body"}},
    "signals": {"some": {"length": {"min": 1}}},
    "keep": "some",
}


def to_pandas(frame: pl.DataFrame) -> object:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(frame.to_dicts(), columns=frame.columns).astype({"n": "Int64"})


def to_duckdb(frame: pl.DataFrame) -> object:
    duckdb = pytest.importorskip("duckdb")
    return duckdb.connect().sql("select * from frame")


def to_dataset(frame: pl.DataFrame) -> object:
    """Return a dataset of which a filter took the last row: its table still holds it."""
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_list([*frame.to_dicts(), {"body": "gone", "n": 9}])
    return whole.select(range(frame.height))


KINDS: dict[str, Callable[[pl.DataFrame], object]] = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "arrow": lambda frame: frame.to_arrow(),
    "batch": lambda frame: frame.to_arrow().combine_chunks().to_batches()[0],
    "reader": lambda frame: frame.to_arrow().to_reader(),
    "dicts": lambda frame: [
        {key: value for key, value in row.items() if value is not None} for row in frame.to_dicts()
    ],
    "pandas": to_pandas,
    "duckdb": to_duckdb,
    "dataset": to_dataset,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_library_gives_the_same_rows(kind: str):
    frame = pl.DataFrame(ROWS)
    recipe = Recipe.model_validate(RECIPE)
    found = frame_source(KINDS[kind](frame), recipe)
    expected = frame_source(frame, recipe)
    assert rows(found).equals(rows(expected))
    assert found.inputs[0]["fingerprint"] == expected.inputs[0]["fingerprint"]


def test_a_dict_of_datasets_tells_their_names_and_labels():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["bad", "good"])
    )
    parts = {
        name: datasets.Dataset.from_dict({"text": [name], "label": [at]}, features=features)
        for at, name in enumerate(("train", "test"))
    }
    recipe = Recipe.model_validate({**RECIPE, "source": {"frame": {"label": "label"}}})
    found = rows(frame_source(datasets.DatasetDict(parts), recipe))
    assert found.select("text", "label", "dataset_split").rows() == [
        ("train", "bad", "train"),
        ("test", "good", "test"),
    ]


def test_an_index_of_pandas_is_a_column_where_it_has_a_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"body": ["warm"]}, index=pd.Index(["k"], name="key"))
    recipe = Recipe.model_validate(RECIPE)
    assert frame_source(frame, recipe).schema.names() == ["key", "text"]
    assert frame_source(frame.reset_index(drop=True), recipe).schema.names() == ["text"]


def bad_data() -> dict[str, tuple[object, str]]:
    pd = pytest.importorskip("pandas")
    mixed = "data: column 'body' holds int and str: df['body'] = df['body'].astype(str)"
    return {
        "text": ("rows.csv", "data: a str; expected a pandas, polars or Arrow table"),
        "object": (object(), "data: an object; expected a pandas"),
        "texts": (["a"], "data: a list that holds str; expected a pandas"),
        "none": ([], "data: the frame has no rows"),
        "dicts": ([{"body": "a"}, {"body": 1}], mixed),
        "pandas": (pd.DataFrame({"body": ["a", 1]}, dtype=object), mixed),
        "twice": (pd.DataFrame([["a", "b"]], columns=["body", "body"]), "'body' is there twice"),
        "bytes": (pa.table({"body": pa.array([b"\xff"]).cast(pa.string(), safe=False)}), "UTF-8"),
    }


@pytest.mark.parametrize(
    "kind", ["text", "object", "texts", "none", "dicts", "pandas", "twice", "bytes"]
)
def test_what_is_no_table_is_said(kind: str):
    data, message = bad_data()[kind]
    with pytest.raises(SourceError) as caught:
        frame_source(data, Recipe.model_validate(RECIPE))
    assert message in str(caught.value)


def test_a_mapping_is_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    without = {key: value for key, value in RECIPE.items() if key != "source"}
    frame = pl.DataFrame({"text": ["warm", "tore"]})
    first = curate(without, frame)
    assert (first.rows.kept, first.new) == (2, True)
    assert not curate(Recipe.model_validate(without), frame.to_dicts()).new
    with pytest.raises(RecipeError, match="source: required, but not given"):
        curate(without)
    with pytest.raises(RecipeError, match=r"source\.frame: the rows come from Python"):
        curate(RECIPE)
    with pytest.raises(RecipeError, match=r"kep: unknown key \(did you mean 'keep'"):
        curate({**without, "kep": "some"}, frame)
