from __future__ import annotations

import math
from pathlib import Path

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
from siftset.pipeline.profile.drift import (
    DEFAULTS,
    DEFINITIONS,
    DriftLimits,
    count_in_tenths,
    measure_drift,
)
from siftset.pipeline.profile.lengths import measure_lengths
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
        one.name.split(" (")[0].split(",")[0]: one.level
        for one in measure_drift(moved, before, against="v 1", sizes=(20_000, 2_000))
    }
    assert found["PSI of the length in characters"] == "warn"
    assert found["Jensen-Shannon distance of labels"] == "warn"
    assert found["Rows kept"] == "warn"


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
    assert DriftLimits(0.1, 0.25).judge(value) == level


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


def test_every_measure_is_defined() -> None:
    assert DEFINITIONS.keys() == DEFAULTS.keys()
    docs = Path(__file__).parents[3] / "docs"
    if docs.is_dir():
        page = (docs / "metrics.md").read_text("utf-8")
        for key, limits in DEFAULTS.items():
            assert f"| `{key}` | {DEFINITIONS[key]} | {limits.warning:g} |" in page
            assert f"`{key}`" in (docs / "integrity.md").read_text("utf-8")


def test_the_bins_of_psi_hold_equal_tenths_of_what_was_before() -> None:
    # 4 of 10 rows are of one length: no slivers follow it.
    before = measure_lengths(pl.Series([5] * 400 + list(range(10, 610))))
    bins, _ = count_in_tenths(before, before)
    assert list(bins.values()) == [400, 100, 100, 100, 100, 100, 100]
    even, _ = count_in_tenths(*[measure_lengths(pl.Series(range(1_000)))] * 2)
    assert list(even.values()) == [100] * 10
    stats = pytest.importorskip("numpy")
    random = stats.random.default_rng(0)
    left, right = (random.lognormal(3, 0.5, 4_000).astype(int) for _ in range(2))
    cuts = stats.unique(stats.quantile(left, stats.arange(1, 10) / 10, method="inverted_cdf"))
    p, q = (stats.bincount(stats.searchsorted(cuts, x), minlength=10) for x in (left, right))
    found = count_in_tenths(*(measure_lengths(pl.Series(x)) for x in (left, right)))
    assert [list(one.values()) for one in found] == [p.tolist(), q.tolist()]


def _halves(rows: pl.DataFrame, size: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    two = rows.sample(2 * size, shuffle=True, seed=seed)
    return two[:size], two[size:]


def _alarms(now: pl.DataFrame, before: pl.DataFrame) -> set[str]:
    found = measure_drift(profile_frame(now), profile_frame(before), against="version 1")
    return {one.key for one in found if one.level != "pass"}


@pytest.fixture(scope="module")
def snippets(corpora) -> pl.DataFrame:
    return pl.read_parquet(corpora / "sentence_polarity.parquet").select(
        "text", "label", row_id=pl.format("r{}", "id")
    )


@pytest.mark.parametrize("size", [100, 500, 2_000])
def test_halves_of_one_corpus_do_not_drift(snippets, size: int) -> None:
    pairs = 20 if size == 100 else 6
    assert sum(bool(_alarms(*_halves(snippets, size, seed))) for seed in range(pairs)) <= 1


def test_labels_that_move_by_ten_points_are_found(snippets) -> None:
    for seed in range(4):
        before, now = _halves(snippets, 1_000, seed)
        pick = pl.int_range(pl.len()).shuffle(seed).over("label") < 100
        moved = pl.when(pick & (pl.col("label") == "neg")).then(pl.lit("pos")).otherwise("label")
        assert "label_js" in _alarms(now.with_columns(label=moved), before)


def test_a_topic_in_five_rows_of_a_hundred_is_found_and_named(snippets, corpora) -> None:
    asked = pl.read_parquet(corpora / "medquad.parquet")["question"]
    topic = asked.filter(asked.str.contains("(?i)glaucoma|retina|eye"))
    for seed in range(4):
        before, now = _halves(snippets, 1_000, seed)
        text = pl.concat([topic.sample(50, seed=seed), now["text"][50:]])
        found = measure_drift(
            profile_frame(now.with_columns(text=text)), profile_frame(before), against="version 1"
        )
        (came,) = [one for one in found if one.key == "topic"]
        assert came.level == "warn"
        assert "eye" in came.name or "retinal" in came.name


def test_texts_that_are_a_fifth_longer_are_found(snippets) -> None:
    for seed in range(4):
        before, now = _halves(snippets, 1_000, seed)
        words = pl.col("text").str.split(" ")
        more = words.list.concat(words.list.head((words.list.len() * 0.2).round())).list.join(" ")
        found = _alarms(now.with_columns(text=more), before)
        assert {"length_psi", "length_emd"} & found


def test_popularity_and_new_words_do_not_depend_on_how_many_rows_there_are(snippets) -> None:
    few, many = snippets[:1_000], snippets[1_000:]
    found = {
        one.key: one
        for one in measure_drift(profile_frame(few), profile_frame(many), against="version 1")
    }
    assert abs(found["popularity"].value) < 0.02
    assert abs(found["new_words"].value) < 0.02
    assert found["popularity"].low < 0 < found["popularity"].high


def test_words_that_came_up_are_words_of_content() -> None:
    before, now = (
        profile_frame(
            pl.DataFrame(
                {
                    "text": [f"{text} {i % 7}" for i in range(300)],
                    "row_id": [f"{start + i:032x}" for i in range(300)],
                }
            )
        )
        for start, text in ((0, "shoes run fast"), (900, "the film is of the movie and it"))
    )
    found = {one.key: one.name for one in measure_drift(now, before, against="x")}
    named = found["topic"].partition("(")[2].rstrip(")").split(", ")
    assert {"film", "movie"} <= set(named)
    assert not {"the", "is", "of", "and", "it"} & set(named)
    assert "1 bin (medians)" in found["length_psi"]
