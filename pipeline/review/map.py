"""A map of all rows: alike texts lie close together, and its regions have names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.profile.stop_words import STOP_WORDS
from siftset.pipeline.review.cache import content_hash, read_arrays, write_arrays
from siftset.pipeline.review.rows import ReviewRows
from siftset.pipeline.review.vectors import TextVectors
from siftset.schemas.errors import SignalError
from siftset.schemas.plurals import format_count
from siftset.signals.kernels.arrays import to_series

Points = NDArray[np.float32]

MOST_FITTED: Final = 25_000
LANDMARKS: Final = 10_000
"""Rows that are laid out where there are more than MOST_FITTED; the others join them."""
LEAST: Final = 50
SEED: Final = 7
REGIONS: Final = 22
_ROUNDS: Final = 750
_NAMED: Final = 50_000
"""Rows whose words name the regions, at most."""
_EDGE: Final = 65_535
_BLOCK: Final = 50_000
TRUE_LAYOUT: Final = "openTSNE"
FLAT_LAYOUT: Final = "PCA"
TOO_COMMON: Final = STOP_WORDS | frozenset(
    """
    amp anyone anything around best better com come first getting go goes going good great http
    https know last least less like little lot made make makes making many maybe never new none
    nothing often quot really said say says see seem seems something sure take thing things think
    though time try two use used want wants way whole www year years
    """.split()
)
"""English words that name no region, whatever it is about."""


class Region(NamedTuple):
    """A crowd of rows, and the words that its texts have and others have not."""

    name: str
    x: float
    y: float
    rows: int


@dataclass(frozen=True, slots=True)
class TextMap:
    """Where each row lies, from 0 to 65,535; y grows upwards."""

    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    region: NDArray[np.uint8]
    regions: tuple[Region, ...]
    layout: str


def draw_map(
    rows: ReviewRows, vectors: TextVectors, cache: Path, advance: Callable[[float], None]
) -> TextMap:
    """Lay rows out by their vectors: openTSNE where it is installed, else PCA.

    The layout is kept in the folder `cache` and found again for the same texts. Raises SignalError
    for fewer rows than a map is of use for.
    """
    if rows.count < LEAST:
        raise SignalError(
            f"{format_count(rows.count, 'row')}, expected at least {LEAST} to draw a map of"
        )
    layout = TRUE_LAYOUT if _has_opentsne() else FLAT_LAYOUT
    key = content_hash(rows.frame.select("text"), f"map {layout}")
    found = read_arrays(cache / f"map-{key}.npz")
    if found is None:
        lay_out = _lay_out_neighbours if layout == TRUE_LAYOUT else _lay_out_flat
        places = _to_square(lay_out(vectors.held, advance))
        region = find_regions(places)
        found = {"places": places, "region": region}
        write_arrays(cache / f"map-{key}.npz", found)
    places = np.asarray(found["places"], np.float32)
    region = np.asarray(found["region"], np.uint8)
    named = name_regions(rows.lowered, places, region)
    whole = (places * _EDGE).astype(np.uint16)
    return TextMap(whole[:, 0].copy(), whole[:, 1].copy(), region, named, layout)


def _has_opentsne() -> bool:
    from importlib.util import find_spec

    return find_spec("openTSNE") is not None


def _lay_out_neighbours(held: Points, advance: Callable[[float], None]) -> Points:
    """Place rows by t-SNE (van der Maaten and Hinton 2008; openTSNE, Policar and others 2019)."""
    from openTSNE import TSNE

    done = 0

    def hear(iteration: int, error: float, embedding: Points) -> None:
        nonlocal done
        done += 25
        advance(0.9 * min(1.0, done / _ROUNDS))

    maker = TSNE(
        metric="cosine", random_state=SEED, n_jobs=-1, callbacks=hear, callbacks_every_iters=25
    )
    if len(held) <= MOST_FITTED:
        return np.asarray(maker.fit(held), np.float32)
    chosen = np.sort(np.random.default_rng(SEED).choice(len(held), LANDMARKS, replace=False))
    fitted = maker.fit(held[chosen])
    places = np.empty((len(held), 2), np.float32)
    for start in range(0, len(held), _BLOCK):
        block = held[start : start + _BLOCK]
        places[start : start + _BLOCK] = fitted.prepare_partial(block, initialization="median", k=5)
        advance(0.9 + 0.1 * start / len(held))
    places[chosen] = fitted
    return places


def _lay_out_flat(held: Points, advance: Callable[[float], None]) -> Points:
    centred = held - held.mean(axis=0)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    advance(0.9)
    places: Points = centred @ directions[:, :-3:-1].astype(np.float32)
    return places


def _to_square(places: Points) -> Points:
    """Scale places to 0 to 1, the same in both directions; a few strays lie on the edge."""
    low, high = np.percentile(places, [0.2, 99.8], axis=0)
    span = max(float((high - low).max()), 1e-9) * 1.06
    square: Points = np.clip((places - (high + low) / 2) / span + 0.5, 0, 1).astype(np.float32)
    return square


def find_regions(places: Points, count: int = REGIONS, rounds: int = 30) -> NDArray[np.uint8]:
    """Part places into crowds by k-means on a sample; return the crowd of each."""
    rng = np.random.default_rng(SEED)
    sample = places[rng.permutation(len(places))[:20_000]]
    centres = sample[rng.integers(len(sample))][None]
    far = ((sample - centres[0]) ** 2).sum(axis=1)
    while len(centres) < min(count, len(sample)) and far.sum() > 0:  # k-means++
        chosen = sample[np.searchsorted(np.cumsum(far), rng.random() * far.sum())]
        centres = np.vstack([centres, chosen])
        far = np.minimum(far, ((sample - chosen) ** 2).sum(axis=1))
    for _ in range(rounds):
        nearest = _find_nearest(sample, centres)
        centres = np.array(
            [
                sample[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k]
                for k in range(len(centres))
            ]
        )
    return np.concatenate(
        [_find_nearest(places[at : at + _BLOCK], centres) for at in range(0, len(places), _BLOCK)]
    )


def _find_nearest(places: Points, centres: Points) -> NDArray[np.uint8]:
    far = ((places[:, None] - centres[None]) ** 2).sum(axis=2)
    nearest: NDArray[np.uint8] = far.argmin(axis=1).astype(np.uint8)
    return nearest


def name_regions(
    lowered: pl.Series, places: Points, region: NDArray[np.uint8]
) -> tuple[Region, ...]:
    """Name each region by two words that many of its rows have and few others (c-TF-IDF)."""
    step = max(1, len(lowered) // _NAMED)
    words = (
        pl.DataFrame([lowered.alias("text"), to_series("region", region)])
        .gather_every(step)
        .with_row_index("row")
        .with_columns(pl.col("text").str.extract_all(r"[\p{L}][\p{L}']{2,}").list.unique())
        .explode("text")
        .drop_nulls()
    )
    everywhere = Counter(dict(words.group_by("text").len().iter_rows()))
    rows_read = -(-len(lowered) // step)
    found, used = [], Counter[str]()
    for number in range(int(region.max()) + 1):
        inside = region == number
        here = words.filter(pl.col("region") == number)
        size = max(1, here["row"].n_unique())
        scores = {
            word: rows / size * np.log(rows / size / (everywhere[word] / rows_read))
            for word, rows in here.group_by("text").len().iter_rows()
            if rows >= max(4, 0.01 * size) and word not in TOO_COMMON
        }
        best = sorted(scores, key=lambda word: (-scores[word] / (1 + used[word]), word))[:2]
        used.update(best)
        if inside.any() and best:
            x, y = np.median(places[inside], axis=0).tolist()
            found.append(Region(", ".join(best), x, y, int(inside.sum())))
        else:
            found.append(Region("", 0.0, 0.0, int(inside.sum())))
    return tuple(found)
