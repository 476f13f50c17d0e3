"""How far a population has moved from an earlier one or from a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from siftset.pipeline.profile.distances import (
    earth_mover,
    jensen_shannon,
    stability_index,
    total_variation,
)
from siftset.pipeline.profile.lengths import Lengths, bin_edge
from siftset.pipeline.profile.state import ALL_ROWS, UNLABELLED, ProfileState
from siftset.pipeline.profile.vocabulary import gini_index, new_share
from siftset.schemas.results.metrics import Drift, Verdict

FEWEST: Final = 100
_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a distance becomes a warning; `critical` is None where it never is more than that."""

    warning: float
    critical: float | None = None

    def level(self, value: float) -> Verdict:
        """Return how a value stands; it trips strictly above a limit."""
        if self.critical is not None and value > self.critical:
            return "fail"
        return "warn" if value > self.warning else "pass"

    def __str__(self) -> str:
        critical = "" if self.critical is None else f", {self.critical:g} critical"
        return f"{self.warning:g} warning{critical}"


DEFAULTS: Final[Mapping[str, Limits]] = {
    "rows": Limits(0.5),
    "null_share": Limits(0.05),
    "length_psi": Limits(0.1),
    "length_emd": Limits(0.25),
    "label_js": Limits(0.1),
    "source_js": Limits(0.3),
    "new_words": Limits(0.2),
    "popularity": Limits(0.1),
}
"""Limits by measure; shares and distances, the earth mover's in medians of the length before."""


def measure_drift(
    now: ProfileState,
    before: ProfileState,
    *,
    against: str,
    limits: Mapping[str, Limits] | None = None,
    sizes: tuple[int, int] | None = None,
) -> tuple[Drift, ...]:
    """Return every distance of `now` from `before` that both populations allow.

    `sizes` counts both populations, before and now, where their change says something. Under 100
    rows on either side distances are chance, and left out.
    """
    chosen = {**DEFAULTS, **(limits or {})}
    measures = [*(_compare_rows(*sizes) if sizes else ())]
    if min(now.rows, before.rows) >= FEWEST:
        for measure in (_compare_nulls, _compare_lengths, _compare_names, _compare_words):
            measures += measure(now, before)
    return tuple(_judged(key, one, chosen[key], against) for key, one in measures)


Measure = tuple[str, Drift]


def _judged(key: str, one: Drift, limits: Limits, against: str) -> Drift:
    level = limits.level(abs(one.value))
    more = {"key": key, "against": against, "level": level, "limits": str(limits)}
    return one.model_copy(update=more)


def _distance(
    name: str, value: float, *, before: float | None = None, after: float | None = None
) -> Drift:
    return Drift(name=name, against="", value=value, before=before, after=after)


def _compare_rows(before: int, now: int) -> Iterator[Measure]:
    if before:
        name = "Rows kept, relative change"
        yield "rows", _distance(name, now / before - 1, before=before, after=now)


def _compare_nulls(now: ProfileState, before: ProfileState) -> Iterator[Measure]:
    for name in now.columns.keys() & before.columns.keys():
        was = before.columns[name].null / max(1, before.rows)
        new = now.columns[name].null / max(1, now.rows)
        if was or new:
            said = f"Null share of {name}, change"
            yield "null_share", _distance(said, new - was, before=was, after=new)


def _compare_lengths(now: ProfileState, before: ProfileState) -> Iterator[Measure]:
    for unit, new, was in (
        ("characters", now.chars, before.chars),
        ("words", now.words, before.words),
    ):
        ends = {"before": was.quantile(0.5), "after": new.quantile(0.5)}
        stability = stability_index(*count_in_tenths(was, new))
        if stability is not None:
            yield (
                "length_psi",
                _distance(f"PSI of the length in {unit} (medians)", stability, **ends),
            )
        moved = earth_mover(_bin_middles(was), _bin_middles(new))
        middle = was.quantile(0.5)
        if moved is not None and middle and unit == "words":
            name = "Earth mover's distance of the length in words, in medians"
            yield "length_emd", _distance(name, moved / middle, **ends)


def count_in_tenths(before: Lengths, now: Lengths) -> tuple[dict[int, int], dict[int, int]]:
    """Return both counted in about ten bins that hold equal shares of `before`, as PSI wants."""
    cuts: list[int] = []
    seen, goal = 0, before.rows / _BINS
    for index in sorted(before.counts):
        seen += before.counts[index]
        if seen >= goal * (len(cuts) + 1):
            cuts.append(index)
    inner = cuts[:-1]
    return _count_between(before, inner), _count_between(now, inner)


def _count_between(lengths: Lengths, cuts: list[int]) -> dict[int, int]:
    found = dict.fromkeys(range(len(cuts) + 1), 0)
    for index, number in lengths.counts.items():
        found[sum(index > cut for cut in cuts)] += number
    return found


def _bin_middles(lengths: Lengths) -> dict[float, int]:
    return {(bin_edge(i) + bin_edge(i + 1) - 1) / 2: n for i, n in lengths.counts.items()}


def _compare_names(now: ProfileState, before: ProfileState) -> Iterator[Measure]:
    new, was = dict(now.label_totals), dict(before.label_totals)
    if {*new, *was} - {UNLABELLED}:
        distance, moved = jensen_shannon(was, new), total_variation(was, new)
        if distance is not None and moved is not None:
            name = f"Jensen-Shannon distance of labels ({moved:.1%} of rows differ)"
            yield "label_js", _distance(name, distance)
    # A reference file says nothing of sources: its rows are all of one, which has no name.
    if ALL_ROWS in {*now.labels, *before.labels}:
        return
    sources = [{k: sum(v.values()) for k, v in one.labels.items()} for one in (before, now)]
    distance = jensen_shannon(*sources)
    if distance is not None and len({*sources[0], *sources[1]}) > 1:
        yield "source_js", _distance("Jensen-Shannon distance of sources", distance)


def _compare_words(now: ProfileState, before: ProfileState) -> Iterator[Measure]:
    new, of = new_share(now.vocabulary, before.vocabulary)
    if of and before.vocabulary.tokens:
        name = f"Share of words that did not occur before ({new:,} of {of:,} sampled)"
        yield "new_words", _distance(name, new / of)
    index = [gini_index(list(one.vocabulary.sample.values())) for one in (before, now)]
    if index[0] is not None and index[1] is not None:
        name = "Popularity: Gini index of word counts, change"
        change = index[1] - index[0]
        yield "popularity", _distance(name, change, before=index[0], after=index[1])
