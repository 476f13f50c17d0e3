"""How far a population has moved from an earlier one or from a reference."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Final

from siftset.pipeline.profile.chance import Chance, measure_chance
from siftset.pipeline.profile.distances import (
    earth_mover,
    jensen_shannon,
    stability_index,
    total_variation,
)
from siftset.pipeline.profile.lengths import Lengths, bin_middle
from siftset.pipeline.profile.row_sketch import find_words
from siftset.pipeline.profile.shares import is_above
from siftset.pipeline.profile.state import ALL_ROWS, UNLABELLED, ProfileState
from siftset.pipeline.profile.stop_words import STOP_WORDS
from siftset.schemas.results.metrics import Drift, Verdict

FEWEST: Final = 100
BINS: Final = 10
_SIGNED: Final = ("new_words", "topic", "popularity")
"""Measures that can be below 0."""
_SURE: Final = 3.5
"""Standard errors beyond which the change of a share is not chance: 1 in 2,000."""


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """Where a distance becomes a warning; `critical` is None where it never is more than that."""

    warning: float
    critical: float | None = None

    def judge(self, value: float) -> Verdict:
        """Return how a value stands; it trips strictly above a limit."""
        if self.critical is not None and is_above(value, self.critical):
            return "fail"
        return "warn" if is_above(value, self.warning) else "pass"

    def __str__(self) -> str:
        critical = "" if self.critical is None else f", {self.critical:g} critical"
        return f"{self.warning:g} warning{critical}"


DEFAULTS: Final[Mapping[str, DriftLimits]] = {
    "rows": DriftLimits(0.5),
    "null_share": DriftLimits(0.05),
    "length_psi": DriftLimits(0.1),
    "length_emd": DriftLimits(0.1),
    "label_js": DriftLimits(0.05),
    "source_js": DriftLimits(0.3),
    "new_words": DriftLimits(0.005),
    "topic": DriftLimits(0.02),
    "popularity": DriftLimits(0.02),
}
"""Limits by measure; shares and distances, the earth mover's in medians of the length before."""

DEFINITIONS: Final[Mapping[str, str]] = {
    "rows": "Rows kept now against those kept before, as a relative change.",
    "null_share": (
        "Share of rows whose column is null, now minus before. Chance is 3.5 standard errors of "
        "the difference of two proportions."
    ),
    "length_psi": (
        "Population stability index: the sum of (q - p) ln(q / p) over the bins, p before and q "
        "now, with half a row added to each bin (Siddiqi 2006). The bins hold equal tenths of the "
        "rows before; a length that fills several tenths is one bin. 0 is equal, above 0.1 is read "
        "as a change, above 0.25 as a large one; it has no direction."
    ),
    "length_emd": (
        "First Wasserstein distance of the lengths: how far the average text has to move, in "
        "medians of the length before (Rubner et al. 2000). 0 is equal; it has no direction."
    ),
    "label_js": (
        "Root of the Jensen-Shannon divergence of the labels in bits (Lin 1991); rows without a "
        "label count as one more. 0 is equal, 1 disjoint; it has no direction."
    ),
    "source_js": "The same of the files that rows were read from, not of the recipe's sources.",
    "new_words": (
        "Share of the first 48 words of each text that do not occur in as many texts of before, "
        "minus the mean of 200 random regroupings of both. Above 0, new words came in."
    ),
    "topic": (
        "How much the ten words gained that gained most texts: their log-likelihood ratios "
        "(Dunning 1993) over the first 48 words of equally many texts, per text, minus the mean of "
        "200 random regroupings. Above 0, some texts now speak of what was rare before."
    ),
    "popularity": (
        "Gini index of the counts of those words, now minus before, thinned to equally many words. "
        "0 is even, 1 is one word only; above 0, fewer words hold a larger share than before."
    ),
}
"""What each measure is; its bins, direction and source."""


def measure_drift(
    now: ProfileState,
    before: ProfileState,
    *,
    against: str,
    limits: Mapping[str, DriftLimits] | None = None,
    sizes: tuple[int, int] | None = None,
) -> tuple[Drift, ...]:
    """Return every distance of `now` from `before` that both populations allow.

    `sizes` counts both populations, before and now, where their change says something. Under 100
    rows on either side distances are chance, and left out. A distance warns where it is above its
    limit and, by a tenth, than in each of 200 random regroupings of a sample of both.
    """
    chosen = {**DEFAULTS, **(limits or {})}
    measures: list[Measure] = []
    if sizes and sizes[0]:
        change = (sizes[1] - sizes[0]) / sizes[0]
        told = _distance(
            "rows", "Rows kept, relative change", change, before=sizes[0], after=sizes[1]
        )
        measures.append(told)
    if min(now.rows, before.rows) >= FEWEST:
        chance = measure_chance(now.sketch, before.sketch)
        for measure in (_compare_nulls, _compare_lengths, _compare_names, _compare_words):
            measures += measure(now, before, chance)
    found = []
    for one, judged in measures:
        level = chosen[one.key].judge(abs(one.value)) if judged else "pass"
        more = {"against": against, "level": level, "limits": str(chosen[one.key])}
        found.append(one.model_copy(update=more))
    return tuple(found)


Measure = tuple[Drift, bool]
"""A distance, and whether it is more than chance."""


def _distance(
    key: str, name: str, value: float, chance: Chance | None = None, **more: float | None
) -> Measure:
    """Return a measure; the interval is of the spread that regrouping gives."""
    if chance is not None:
        spread = 1.96 * chance.spread
        low = value - spread if key in _SIGNED else max(0.0, value - spread)
        more |= {"chance": chance.most, "low": low, "high": value + spread}
    drift = Drift(key=key, name=name, against="", value=value, **more)
    return drift, chance is None or chance.exceeded


def _compare_nulls(
    now: ProfileState, before: ProfileState, _chance: Mapping[str, Chance]
) -> Iterator[Measure]:
    for name in sorted(now.columns.keys() & before.columns.keys()):
        was = Fraction(before.columns[name].null, max(1, before.rows))
        new = Fraction(now.columns[name].null, max(1, now.rows))
        if not was and not new:
            continue
        both = before.columns[name].null + now.columns[name].null
        pooled = both / (before.rows + now.rows)
        error = math.sqrt(pooled * (1 - pooled) * (1 / before.rows + 1 / now.rows))
        change = float(new - was)
        found = Drift(
            key="null_share",
            name=f"Null share of {name}, change",
            against="",
            value=change,
            low=change - 1.96 * error,
            high=change + 1.96 * error,
            chance=_SURE * error,
            before=float(was),
            after=float(new),
        )
        yield found, abs(change) > _SURE * error


def _compare_lengths(
    now: ProfileState, before: ProfileState, chance: Mapping[str, Chance]
) -> Iterator[Measure]:
    half = Fraction(1, 2)
    for unit, new, was in (
        ("characters", now.chars, before.chars),
        ("words", now.words, before.words),
    ):
        ends = {"before": was.quantile(half), "after": new.quantile(half)}
        bins = count_in_tenths(was, new)
        stability = stability_index(*bins)
        if stability is not None:
            cut = "1 bin" if len(bins[0]) == 1 else f"{len(bins[0])} bins"
            name = f"PSI of the length in {unit}, {cut} (medians)"
            yield _distance("length_psi", name, stability, chance.get(f"psi {unit}"), **ends)
        moved = earth_mover(_bin_middles(was), _bin_middles(new))
        middle = ends["before"]
        if moved is not None and middle and unit == "words":
            name = "Earth mover's distance of the length in words, in medians"
            yield _distance("length_emd", name, moved / middle, chance.get("emd"), **ends)


def count_in_tenths(before: Lengths, now: Lengths) -> tuple[dict[int, int], dict[int, int]]:
    """Return both counted in bins that hold equal tenths of `before`, as PSI wants.

    A length that fills several tenths is one bin, so there can be fewer than ten.
    """
    lengths = sorted(before.bins)
    seen = list(accumulate(before.bins[length] for length in lengths))
    ends = (
        {lengths[bisect_left(seen, Fraction(k * before.rows, BINS))] for k in range(1, BINS)}
        if seen
        else set()
    )
    cuts = sorted(ends - {lengths[-1]}) if lengths else []
    counted = []
    for one in (before, now):
        found = dict.fromkeys(range(len(cuts) + 1), 0)
        for length, rows in one.bins.items():
            found[bisect_left(cuts, length)] += rows
        counted.append(found)
    return counted[0], counted[1]


def _bin_middles(lengths: Lengths) -> dict[float, int]:
    return {bin_middle(least): rows for least, rows in lengths.bins.items()}


def _compare_names(
    now: ProfileState, before: ProfileState, chance: Mapping[str, Chance]
) -> Iterator[Measure]:
    new, was = dict(now.label_totals), dict(before.label_totals)
    if {*new, *was} - {UNLABELLED}:
        distance, moved = jensen_shannon(was, new), total_variation(was, new)
        if distance is not None and moved is not None:
            name = f"Jensen-Shannon distance of labels ({moved:.1%} of rows differ)"
            yield _distance("label_js", name, distance, chance.get("labels"))
    # A reference file says nothing of sources: its rows are all of one, which has no name.
    if ALL_ROWS in {*now.labels, *before.labels}:
        return
    sources = [{k: sum(v.values()) for k, v in one.labels.items()} for one in (before, now)]
    distance = jensen_shannon(*sources)
    if distance is not None and len({*sources[0], *sources[1]}) > 1:
        name = "Jensen-Shannon distance of source files"
        yield _distance("source_js", name, distance, chance.get("sources"))


def _compare_words(
    now: ProfileState, _before: ProfileState, chance: Mapping[str, Chance]
) -> Iterator[Measure]:
    """Compare words of equally many texts only: both figures grow with the number of texts."""
    found = chance.get("new words")
    if found is not None:
        name = "Share of words that are new, beyond chance"
        value = found.observed - found.mean
        yield _distance("new_words", name, value, found, before=found.mean, after=found.observed)
    found = chance.get("topic")
    if found is not None:
        words = find_words(found.words, (*now.vocabulary.top, *now.vocabulary.sample))
        telling = [word for word in words if word not in STOP_WORDS] or words
        named = f" ({', '.join(telling)})" if found.exceeded and words else ""
        value = found.observed - found.mean
        yield _distance("topic", f"Words that came up{named}", value, found)
    found = chance.get("popularity")
    if found is not None:
        name = "Popularity: Gini index of word counts, change"
        ends = {"before": found.before, "after": found.after}
        yield _distance("popularity", name, found.observed, found, **ends)
