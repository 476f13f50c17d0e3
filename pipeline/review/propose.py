"""What sets chosen rows apart: rules for the recipe, judged on other rows than made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
import polars_hash as plh
from pydantic import JsonValue

from siftset.pipeline.review.columns import CodedColumn, Mask, Places
from siftset.pipeline.review.map import TOO_COMMON
from siftset.pipeline.review.rows import ReviewRows
from siftset.schemas.errors import SiftsetError
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse
from siftset.signals.formula.tree import leaves, show
from siftset.signals.registry import build_for
from siftset.signals.static_vectors.model import NAME, load_static

LEAST: Final = 5
"""Chosen rows below which a rule would say what they are, not what they are like."""
MOST_RULES: Final = 5
_CHOSEN: Final = 10_000
_OTHERS: Final = 40_000
"""Rows that rules are made from, at most."""
_JUDGED: Final = 100_000
"""Rows that a rule is judged on, at most."""
_BLOCK: Final = 50_000
_WORDS: Final = 12
_EXAMPLES: Final = 5
_WORTH: Final = 0.004
"""What a further word must add to F1."""
SEED: Final = 7

Kind = Literal["similar", "keyword", "column", "label", "signal"]


class Candidate(NamedTuple):
    """A rule that may set the rows apart, as a recipe would write it."""

    kind: Kind
    title: str
    clause: str
    """The clause that is true of the rows."""
    signal: dict[str, JsonValue] | None = None
    """The signal of `NEW` in it, where it needs one that the recipe does not have."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A candidate that was asked of rows it was not made from."""

    candidate: Candidate
    precision: float
    recall: float
    rows: int
    """Rows that it is true of, reckoned from those that were judged."""

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


NEW: Final = "chosen"


@dataclass(frozen=True, slots=True)
class _Lesson:
    """Rows that rules are made from: chosen ones, and others that stand for more of their kind."""

    places: Places
    wanted: Mask
    weights: np.ndarray[tuple[int], np.dtype[np.float64]]

    def f1(self, hit: Mask) -> float:
        """Return how well a mask over these rows finds the wanted ones."""
        right = float(self.weights[hit & self.wanted].sum())
        total = float(self.weights[hit].sum()) + float(self.weights[self.wanted].sum())
        return 2 * right / total if total else 0.0


def propose_rules(rows: ReviewRows, chosen: Mask) -> list[Rule]:
    """Return rules that find chosen rows again, the best first.

    Each is made from one half of all rows, parted by their texts, and judged by the signals that
    the recipe would use on the other half. Raises ValueError for fewer than LEAST rows, or all.
    """
    if not LEAST <= int(chosen.sum()) < rows.count:
        raise ValueError(f"choose at least {LEAST} rows, and not all of them")
    half = _part_by_text(rows.frame["text"])
    lesson = _draw_lesson(chosen, half)
    judged = _draw(np.flatnonzero(~half), _JUDGED)
    if not lesson.wanted.any() or not chosen[judged].any():
        raise ValueError(
            "the chosen rows have nearly one text: there is nothing to judge a rule by"
        )
    found = []
    for candidate in _list_candidates(rows, lesson):
        try:
            found.append(_judge(rows, candidate, chosen, judged))
        except SiftsetError:
            continue  # it needs an extra or a file that is not here
    found.sort(key=lambda rule: -rule.f1)
    return [rule for rule in found if rule.f1 > 0.05][:MOST_RULES]


def _part_by_text(texts: pl.Series) -> Mask:
    """Mark one half of the rows; copies of a text are in one half."""
    hashed = texts.fill_null("").to_frame().select(plh.col(texts.name).nchash.xxh3_64(seed=SEED))
    marked: Mask = (hashed.to_series().to_numpy() & np.uint64(1)).astype(bool)
    return marked


def _draw(places: Places, most: int) -> Places:
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(SEED).choice(places, most, replace=False))


def _draw_lesson(chosen: Mask, half: Mask) -> _Lesson:
    parts, weights = [], []
    for wanted, most in ((True, _CHOSEN), (False, _OTHERS)):
        every = np.flatnonzero(half & (chosen == wanted))
        some = _draw(every, most)
        parts.append(some)
        weights.append(np.full(some.size, every.size / max(1, some.size)))
    places = np.concatenate(parts)
    wanted_rows = np.arange(places.size) < parts[0].size
    return _Lesson(places, wanted_rows, np.concatenate(weights))


def _judge(rows: ReviewRows, candidate: Candidate, chosen: Mask, judged: Places) -> Rule:
    """Ask the signals themselves about rows that the candidate was not made from."""
    formula = parse(candidate.clause)
    specs: Mapping[str, dict[str, JsonValue]] = rows.loaded.recipe.signals
    if candidate.signal is not None:
        specs = {**specs, NEW: candidate.signal}
    decider = Decider(formula, build_for(formula, specs, folder=rows.loaded.folder))
    hits = np.concatenate(
        [
            decider.decide(rows.frame[judged[at : at + _BLOCK]]).keep.fill_null(False).to_numpy()
            for at in range(0, len(judged), _BLOCK)
        ]
    )
    wanted = chosen[judged]
    right = int((hits & wanted).sum())
    return Rule(
        candidate,
        precision=right / max(1, int(hits.sum())),
        recall=right / max(1, int(wanted.sum())),
        rows=round(int(hits.sum()) * rows.count / len(judged)),
    )


def _list_candidates(rows: ReviewRows, lesson: _Lesson) -> Iterator[Candidate]:
    for name, column in rows.facets.items():
        if name not in ("part", "why", "file"):
            yield _choose_value(name, column, lesson)
    for clause in _list_clauses(rows):
        yield Candidate("signal", clause, clause)
    words = _choose_words(rows, lesson)
    if words:
        title = f"any of {', '.join(words)}"
        yield Candidate("keyword", title, NEW, {"keyword": {"words": [*words]}})
    yield _choose_examples(rows, lesson)


def _choose_value(name: str, column: CodedColumn, lesson: _Lesson) -> Candidate:
    best = max(
        column.values, key=lambda value: lesson.f1(column.mask([value])[lesson.places]), default=""
    )
    given: dict[str, JsonValue] = {"one_of": [best]}
    kind: Kind = "label"
    if name != "label":
        given, kind = {"column": name, **given}, "column"
    return Candidate(kind, f"{name} is {best}", NEW, {"label": given})


def _list_clauses(rows: ReviewRows) -> list[str]:
    """Return what the formula asks of signals already, and the contrary."""
    asked = dict.fromkeys(show(leaf) for leaf in leaves(rows.job.decider.root))
    return [clause for text in asked for clause in (text, f"~({text})")]


def _choose_words(rows: ReviewRows, lesson: _Lesson) -> list[str]:
    """Choose words one by one, each the one that helps most beside those before it."""
    texts = rows.lowered.gather(lesson.places).alias("text").to_frame().with_row_index("at")
    words = texts.with_columns(
        pl.col("text").str.extract_all(r"[\p{L}][\p{L}']{2,}").list.unique()
    ).explode("text").drop_nulls()  # fmt: skip
    weights = pl.DataFrame(
        {"at": np.arange(lesson.places.size, dtype=np.uint32), "wanted": lesson.wanted,
         "weight": lesson.weights}
    )  # fmt: skip
    counts = words.join(weights, on="at").group_by("text").agg(
        inside=pl.col("weight").filter("wanted").sum(),
        met=pl.col("wanted").sum(),
        everywhere=pl.col("weight").sum(),
    )  # fmt: skip
    likely = counts.filter(
        (pl.col("met") >= 3) & ~pl.col("text").is_in(list(TOO_COMMON))
    ).sort(pl.col("inside") * (pl.col("inside") / pl.col("everywhere")) ** 2, "text",
           descending=[True, False]).head(80)["text"]  # fmt: skip
    held = dict(
        words.filter(pl.col("text").is_in(likely.implode())).group_by("text").agg("at").iter_rows()
    )
    masks = {}
    for word, at in held.items():
        masks[word] = np.zeros(lesson.places.size, bool)
        masks[word][at] = True
    chosen: list[str] = []
    hit, best = np.zeros(lesson.places.size, bool), 0.0
    while len(chosen) < _WORDS and len(chosen) < len(masks):
        rest = sorted(word for word in masks if word not in chosen)
        found = {word: lesson.f1(hit | masks[word]) for word in rest}
        word = max(found, key=lambda one: found[one])
        if found[word] < best + _WORTH:
            break
        chosen.append(word)
        hit, best = hit | masks[word], found[word]
    return chosen


def _choose_examples(rows: ReviewRows, lesson: _Lesson) -> Candidate:
    """Choose texts that stand for the chosen rows, and how like them a row must be."""
    texts = rows.frame["text"].fill_null("")
    vectors = load_static().embed(texts.gather(lesson.places))
    wanted = vectors[lesson.wanted]
    rng = np.random.default_rng(SEED)
    centres = wanted[rng.choice(len(wanted), min(_EXAMPLES, len(wanted)), replace=False)]
    for _ in range(15):  # spherical k-means
        nearest = (wanted @ centres.T).argmax(axis=1)
        sums = np.stack([wanted[nearest == k].sum(axis=0) for k in range(len(centres))])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-12), centres)
    examples = np.unique((wanted @ centres.T).argmax(axis=0))
    cosines = (vectors @ wanted[examples].T).max(axis=1)
    cut = max(np.arange(0.2, 0.95, 0.025), key=lambda at: lesson.f1(cosines >= at))
    said = texts.gather(lesson.places[lesson.wanted][examples]).to_list()
    title = f"like {len(said)} of the chosen rows, cosine {cut:.2f} or more"
    given: dict[str, JsonValue] = {"to": [*said], "model": NAME, "min": round(float(cut), 3)}
    return Candidate("similar", title, NEW, {"similar": given})
