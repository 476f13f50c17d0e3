"""Linear models of labels, one a fold, each fitted on the rows of the other folds.

A row's fold is a hash of its group: the rows of a group, and the copies of a text, are never asked
of a model that saw one of them. What is learned from are static vectors and words, one model each,
whose probabilities are averaged: they err on different rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.schemas.errors import MissingExtraError, SignalError
from siftset.schemas.group_keys import join_group
from siftset.schemas.plurals import format_count
from siftset.signals.label_doubt.confident_learning import DoubtfulPair, LabelQuality, Labels
from siftset.signals.label_doubt.many_classes import RidgeSums
from siftset.signals.static_vectors.model import load_static

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS: Final = 5
LEAST: Final = 5 * FOLDS
"""Rows below which nothing is fitted."""
SEED: Final = 7
BLOCK: Final = 20_000
"""Rows whose features are in memory at a time."""
MOST_WEIGHTS: Final = 1 << 24
"""Weights of words, over all classes, of a fold: with many classes words share columns."""
MOST_COLUMNS: Final = 1 << 17
MANY_CLASSES: Final = 100
"""Classes above which the models are ridge regressions: the cost of the others is by class."""
COLUMNS_OF_MANY: Final = 1 << 11
"""Columns of words of ridge regressions, which solve a system of so many unknowns."""
_SEEN: Final = 300_000
"""Rows that a fit should see, over its passes; at least 3 passes and at most 12."""
_STRENGTH: Final = 10.0
"""The inverse of the penalty on weights, as in scikit-learn's C."""

_SAID: Final = ("classes", "group", "quality")
_TENSORS: Final = ("vectors", "words", "rarity")
"""What a file of models holds: texts, and arrays."""

Blocks = Callable[[], Iterator[pl.DataFrame]]
"""Reads all rows again: frames with text, label (text) and group, none of them null."""
Weights = NDArray[np.float32]


class FoldModels(NamedTuple):
    """Models by fold; class k is `classes[k]`."""

    classes: tuple[str, ...]
    group: tuple[str, ...]
    """The columns whose values stay in one fold; the text where there are none."""
    vectors: Weights
    """Folds x classes x dimensions and a constant."""
    words: Weights
    """Folds x classes x columns and a constant."""
    rarity: Weights
    """The weight of each column of words: how rare it is (inverse document frequency)."""

    def ask(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Return the probability of each class for each row, by models that did not see it."""
        folds = fold_of(frame["group"])
        vectors, words = embed_block(frame["text"], self.rarity)
        found = np.zeros((frame.height, len(self.classes)), np.float32)
        for fold in range(FOLDS):
            mine = folds == fold
            for features, weights in ((vectors, self.vectors[fold]), (words, self.words[fold])):
                scores = features[mine] @ weights[:, :-1].T + weights[:, -1]
                # one against the rest, each by its own sigmoid, as scikit-learn does
                odds = 1 / (1 + np.exp(-np.clip(np.asarray(scores, np.float64), -30, 30)))
                found[mine] += (odds / odds.sum(axis=1, keepdims=True) / 2).astype(np.float32)
        return found

    def save(self, path: Path, quality: LabelQuality) -> None:
        """Write the models, and what they say of the rows they were fitted on, to safetensors."""
        from safetensors.numpy import save_file

        held = {name: getattr(self, name) for name in _TENSORS}
        told = {"classes": self.classes, "group": self.group, "quality": quality._asdict()}
        said = {name: json.dumps(value) for name, value in told.items()}
        save_file(held, path, metadata=said)

    @classmethod
    def load(cls, path: Path) -> tuple[FoldModels, LabelQuality]:
        """Read what `save` wrote; raise SignalError where the file is another."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                said = file.metadata() or {}
                classes, group, quality = (json.loads(said[name]) for name in _SAID)
                held = {name: file.get_tensor(name) for name in _TENSORS}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise SignalError(
                f"{path} holds no models of labels ({error}): make it with  siftset doubt RECIPE"
            ) from None
        pairs = tuple(DoubtfulPair(*pair) for pair in quality.pop("pairs"))
        doubt = tuple(quality.pop("doubt"))
        # files of earlier versions name one column, or none
        columns = (group,) if isinstance(group, str) else tuple(group or ())
        told = LabelQuality(pairs=pairs, doubt=doubt, **quality)
        return cls(tuple(classes), columns, **held), told


def fold_of(groups: pl.Series) -> NDArray[np.int64]:
    """Return the fold of each row, by its group alone."""
    hashed = groups.to_frame().select(plh.col(groups.name).nchash.xxh3_64() % FOLDS)
    folds: NDArray[np.int64] = hashed.to_series().cast(pl.Int64).to_numpy()
    return folds


def group_of(text: pl.Expr, columns: Sequence[str]) -> pl.Expr:
    """Return what keeps rows in one fold: their group, else their text but for case and space."""
    folded = text.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    shared = join_group([pl.col(name).cast(pl.String) for name in columns])
    own = folded if shared is None else pl.coalesce(shared, folded)
    return own.alias("group")


def count_columns(classes: int) -> int:
    """Return how many columns words are hashed to."""
    columns = COLUMNS_OF_MANY if classes > MANY_CLASSES else MOST_COLUMNS
    while columns * classes > MOST_WEIGHTS:
        columns //= 2
    return columns


def count_words(texts: pl.Series, columns: int) -> csr_matrix:
    """Return rows x columns: how often each word and pair of words stands in a text, hashed."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import HashingVectorizer

    if texts.is_empty():  # of which scikit-learn knows nothing to return
        return csr_matrix(np.zeros((0, columns), np.float32))
    hashing = HashingVectorizer(
        n_features=columns, ngram_range=(1, 2), norm=None, alternate_sign=False, dtype=np.float32
    )
    counts: csr_matrix = hashing.transform(texts.to_list())
    return counts


def embed_block(texts: pl.Series, rarity: Weights) -> tuple[Weights, csr_matrix]:
    """Return static vectors, and unit vectors of words: 1 + log of the count, times rarity."""
    words = count_words(texts, len(rarity))
    words.data = (1 + np.log(words.data)) * rarity[words.indices]
    norms = np.sqrt(np.asarray(words.multiply(words).sum(axis=1)).ravel())
    words.data /= np.repeat(np.maximum(norms, 1e-12), np.diff(words.indptr)).astype(np.float32)
    return load_static().embed(texts), words


def fit_fold_models(blocks: Blocks, group: Sequence[str] = ()) -> FoldModels:
    """Fit the models block by block, of more than MANY_CLASSES classes in closed form.

    Memory does not grow with the rows. The same rows in the same order give the same models.
    Raises MissingExtraError without scikit-learn, SignalError where labels are of one class or on
    fewer rows than LEAST.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("label_doubt, which fits models,", "train")
    classes, rows, rarity = _count_rows(blocks)
    if rows < LEAST or len(classes) < 2:
        raise SignalError(
            f"label_doubt: {format_count(rows, 'labelled row')} of "
            f"{format_count(len(classes), 'class')}, expected at least {LEAST} rows and 2 "
            "classes: name the column of labels with  label:  in the source"
        )
    if len(classes) > MANY_CLASSES:
        vectors, words = _solve_models(blocks, classes, rarity)
    else:
        vectors, words = _descend(blocks, classes, rows, rarity)
    return FoldModels(classes, tuple(group), vectors, words, rarity)


def _descend(
    blocks: Blocks, classes: Sequence[str], rows: int, rarity: Weights
) -> tuple[Weights, Weights]:
    """Fit logistic regressions, one against the rest, by averaged stochastic gradient descent."""
    from sklearn.linear_model import SGDClassifier

    makers: list[tuple[Any, Any]] = [
        tuple(
            SGDClassifier(
                loss="log_loss", alpha=1 / (_STRENGTH * rows), average=True, random_state=SEED
            )
            for _ in range(2)
        )
        for _ in range(FOLDS)
    ]
    every = np.arange(len(classes))
    # with many classes, each against the rest, a pass costs as many times more
    passes = -(-_SEEN // (rows * max(1, len(classes) // 10)))
    for turn in range(int(np.clip(passes, 3, 12))):
        for number, frame in enumerate(in_blocks(blocks())):
            vectors, words = embed_block(frame["text"], rarity)
            labels = encode_labels(frame["label"], classes)
            folds = fold_of(frame["group"])
            order = np.random.default_rng([SEED, turn, number]).permutation(frame.height)
            for fold, (by_vectors, by_words) in enumerate(makers):
                some = order[folds[order] != fold]
                if len(some):
                    by_vectors.partial_fit(vectors[some], labels[some], classes=every)
                    by_words.partial_fit(words[some], labels[some], classes=every)
    learned = [np.stack([_weights_of(pair[k]) for pair in makers]) for k in range(2)]
    return learned[0], learned[1]


def _solve_models(
    blocks: Blocks, classes: Sequence[str], rarity: Weights
) -> tuple[Weights, Weights]:
    """Fit ridge regressions, whose cost hardly grows with the classes; each row is read once."""
    by_vectors = RidgeSums(FOLDS, len(classes), load_static().size)
    by_words = RidgeSums(FOLDS, len(classes), len(rarity))
    for frame in in_blocks(blocks()):
        labels, folds = encode_labels(frame["label"], classes), fold_of(frame["group"])
        vectors, words = embed_block(frame["text"], rarity)
        by_vectors.add(vectors, labels, folds)
        by_words.add(words, labels, folds)
    return by_vectors.solve(), by_words.solve()


def _count_rows(blocks: Blocks) -> tuple[tuple[str, ...], int, Weights]:
    """Return the classes, the number of rows, and how rare each column of words is."""
    labels: set[str] = set()
    for frame in blocks():
        labels.update(frame["label"].unique().to_list())
    classes = tuple(sorted(labels))
    columns = count_columns(max(2, len(classes)))
    met, rows = np.zeros(columns, np.int64), 0
    for frame in in_blocks(blocks()):
        met += np.bincount(count_words(frame["text"], columns).indices, minlength=columns)
        rows += frame.height
    return classes, rows, (np.log((1 + rows) / (1 + met)) + 1).astype(np.float32)


def encode_labels(labels: pl.Series, classes: Sequence[str]) -> Labels:
    """Return the number of each label's class."""
    codes = {label: code for code, label in enumerate(classes)}
    return labels.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def in_blocks(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows in frames of BLOCK, so that a fit does not depend on how they come."""
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        while sum(one.height for one in waiting) >= BLOCK:
            whole = pl.concat(waiting)
            yield whole[:BLOCK]
            waiting = [whole[BLOCK:]]
    if any(one.height for one in waiting):
        yield pl.concat(waiting)


def _weights_of(model: Any) -> Weights:  # noqa: ANN401  scikit-learn has no types
    """Return classes x columns and a constant; of two classes scikit-learn keeps the second's."""
    weights = np.hstack([model.coef_, model.intercept_[:, None]]).astype(np.float32)
    return np.vstack([-weights, weights]) if len(weights) == 1 else weights
