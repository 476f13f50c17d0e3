from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.profile.distances import (
    earth_mover,
    jensen_shannon,
    stability_index,
    total_variation,
)
from siftset.pipeline.profile.drift import Limits, measure_drift
from siftset.pipeline.profile.state import profile_frame

COUNTS = st.dictionaries(st.integers(0, 20), st.integers(1, 1000), min_size=1, max_size=12)


def test_psi_of_a_textbook_example() -> None:
    # Large counts, so that the half row of smoothing is not seen.
    before, now = {"a": 500_000, "b": 500_000}, {"a": 700_000, "b": 300_000}
    expected = 0.2 * math.log(0.7 / 0.5) - 0.2 * math.log(0.3 / 0.5)
    assert stability_index(before, now) == pytest.approx(expected, abs=1e-4)


def test_jensen_shannon_is_one_for_disjoint_names() -> None:
    assert jensen_shannon({"a": 3}, {"b": 9}) == pytest.approx(1)


def test_earth_mover_moves_rows_by_their_distance() -> None:
    assert earth_mover({0.0: 1, 10.0: 1}, {5.0: 2}) == pytest.approx(5)
    assert earth_mover({0.0: 4}, {3.0: 1}) == pytest.approx(3)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_distances_against_scipy(before, now) -> None:
    stats = pytest.importorskip("scipy.stats")
    distance = pytest.importorskip("scipy.spatial.distance")
    keys = sorted({*before, *now})
    p, q = ([one.get(k, 0) for k in keys] for one in (before, now))
    expected = distance.jensenshannon(p, q, base=2)
    assert jensen_shannon(before, now) == pytest.approx(expected, abs=1e-6)
    moved = stats.wasserstein_distance(keys, keys, p, q)
    assert earth_mover(before, now) == pytest.approx(moved, abs=1e-9)


@given(COUNTS)
def test_nothing_is_far_from_itself(counts) -> None:
    for distance in (stability_index, jensen_shannon, earth_mover, total_variation):
        assert distance(counts, counts) == pytest.approx(0, abs=1e-9)
        assert distance(counts, {}) is None


def _state(texts: list[str], labels: list[str]):
    return profile_frame(pl.DataFrame({"text": texts, "label": labels}))


def test_planted_drift_is_found_and_steady_data_is_not(corpora) -> None:
    rows = pl.read_parquet(corpora / "pros_cons.parquet").sample(fraction=1, shuffle=True, seed=1)
    before, same = profile_frame(rows[:20_000]), profile_frame(rows[20_000:40_000])
    assert {
        one.level
        for one in measure_drift(same, before, against="version 1", sizes=(20_000, 20_000))
    } == {"pass"}
    reviews = pl.read_parquet(corpora / "movie_reviews.parquet").with_columns(label=pl.lit("pos"))
    moved = profile_frame(reviews.select("text", "label"))
    found = {
        one.name.split(" (")[0]: one.level
        for one in measure_drift(moved, before, against="v 1", sizes=(20_000, 2_000))
    }
    assert found["PSI of the length in characters"] == "warn"
    assert found["Jensen-Shannon distance of labels"] == "warn"
    assert found["Rows kept, relative change"] == "warn"


def test_label_drift_is_measured_exactly() -> None:
    before = _state(["x"] * 100, ["pos"] * 50 + ["neg"] * 50)
    now = _state(["x"] * 100, ["pos"] * 80 + ["neg"] * 20)
    named = {one.name: one for one in measure_drift(now, before, against="version 3")}
    (label,) = [one for name, one in named.items() if "labels" in name]
    assert "30.0% of rows differ" in label.name
    assert label.value == pytest.approx(jensen_shannon({"p": 50, "n": 50}, {"p": 80, "n": 20}))
    assert label.level == "warn"


@pytest.mark.parametrize(("value", "level"), [(0.1, "pass"), (0.11, "warn"), (0.26, "fail")])
def test_limits_trip_strictly_above(value: float, level: str) -> None:
    assert Limits(0.1, 0.25).level(value) == level


def test_a_handful_of_rows_is_not_compared() -> None:
    few, many = _state(["x"] * 99, ["a"] * 99), _state(["yy"] * 500, ["b"] * 500)
    (only,) = measure_drift(few, many, against="version 1", sizes=(500, 99))
    assert only.key == "rows"


def test_a_reference_without_sources_is_not_far_in_sources() -> None:
    rows = pl.DataFrame({"text": ["a b c"] * 200, "label": ["x", "y"] * 100})
    source = pl.struct(file=pl.lit("a.csv"), record=pl.int_range(200))
    ours, plain = profile_frame(rows.with_columns(source=source)), profile_frame(rows)
    assert {one.key for one in measure_drift(ours, plain, against="the reference r.csv")} >= {
        "label_js"
    }
    for pair in ((ours, plain), (plain, ours)):
        assert "source_js" not in {one.key for one in measure_drift(*pair, against="r")}
    other = profile_frame(rows.with_columns(source=source.struct.with_fields(file=pl.lit("b.csv"))))
    (moved,) = [one for one in measure_drift(other, ours, against="r") if one.key == "source_js"]
    assert moved.value == pytest.approx(1)
