"""Folders of `datasets.save_to_disk`: their state says what is data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.sources import Sources
from siftset.schemas.errors import SourceError

rows = Sources.frame
datasets = pytest.importorskip("datasets")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A dataset of two splits, saved in several files, beside which a map left its cache."""
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["bad", "good"])
    )
    for split in ("train", "test"):
        texts = [f"{split} {at}" for at in range(12)]
        data = {"text": texts, "label": [0, 1, -1] * 4}
        dataset = datasets.Dataset.from_dict(data, features=features)
        dataset.save_to_disk(tmp_path / "saved" / split, num_shards=11)
        loaded = datasets.load_from_disk(tmp_path / "saved" / split)
        loaded.map(lambda row: {"text": row["text"].upper()}, load_from_cache_file=False)
    (tmp_path / "saved/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert list((tmp_path / "saved/train").glob("cache-*.arrow"))
    return tmp_path / "saved"


def test_a_saved_dataset_is_read_by_its_state(saved: Path, opened: Any):
    found = rows(opened("saved/train", label="label"))
    assert found["text"].to_list() == [f"train {at}" for at in range(12)]
    assert found["label"].to_list() == ["bad", "good", None] * 4


def test_splits_are_told_by_their_folders(saved: Path, opened: Any):
    found = rows(opened("saved", label="label"))
    assert found["dataset_split"].to_list() == ["test"] * 12 + ["train"] * 12
    assert rows(opened("saved/*/*.arrow"))["text"].equals(found["text"])


def test_labels_may_stay_numbers_and_ids_stay(saved: Path, opened: Any):
    plain = opened("saved/train", label="label", label_names=False)
    assert plain.schema["label"] == pl.Int64
    named = opened("saved/train", label="label")
    assert rows(plain)["row_id"].equals(rows(named)["row_id"])


def test_other_files_beside_a_saved_dataset_stay(saved: Path, opened: Any):
    pl.DataFrame({"text": ["more"]}).write_parquet(saved / "more.parquet")
    assert rows(opened("saved"))["text"].to_list()[0] == "more"


def test_a_part_that_is_gone_is_said(saved: Path, opened: Any):
    (saved / "test/data-00003-of-00011.arrow").unlink()
    with pytest.raises(SourceError, match=r"test: no file 'data-00003-of-00011\.arrow'"):
        opened("saved")


def test_a_state_of_something_else_is_a_file(tmp_path: Path, opened: Any):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/state.json").write_text('[{"text": "a"}]')
    assert rows(opened("in"))["text"].to_list() == ["a"]
