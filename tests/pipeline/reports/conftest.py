from __future__ import annotations

import pytest

from siftset.schemas.results.funnel_metrics import (
    Funnel,
    LeaveOneOut,
    Pair,
    SignalMetrics,
    Step,
    Tree,
)
from siftset.schemas.results.label_metrics import LabelPrecision
from siftset.schemas.results.metrics import (
    Check,
    Drift,
    Duplicates,
    Group,
    Input,
    Leak,
    Rows,
    Run,
    RunMetrics,
    Sample,
)
from siftset.schemas.results.metrics_part import Example
from siftset.schemas.results.profile_metrics import Column, Histogram, Profile, TokenUse, Words


def _signals() -> tuple[SignalMetrics, ...]:
    return (
        SignalMetrics(
            name="nike",
            kind="keyword",
            description="words: nike",
            true=11_081,
            false=12_669,
            unknown=1_250,
            evaluated=25_000,
            seconds=0.011,
        ),
        SignalMetrics(
            name="product",
            kind="keyword",
            description="list nike_products",
            true=11_081,
            evaluated=11_081,
            skipped=13_919,
            seconds=0.009,
        ),
        SignalMetrics(
            name="positive",
            kind="sentiment",
            description="VADER compound >= 0.05",
            true=5_020,
            false=3_931,
            evaluated=8_951,
            skipped=16_049,
            seconds=0.31,
        ),
        SignalMetrics(
            name="criticism",
            kind="keyword",
            description="list criticism",
            true=2_130,
            false=8_951,
            evaluated=11_081,
            skipped=13_919,
            seconds=0.01,
        ),
    )


def _funnel() -> Funnel:
    leaves = {"nike": 8_865, "product": 19_000, "positive": 9_400, "criticism": 5_900}
    tree = Tree(
        label="and",
        true=8_951,
        children=(
            Tree(label="nike", true=leaves["nike"]),
            Tree(label="product", true=leaves["product"]),
            Tree(
                label="or",
                true=11_280,
                children=(Tree(label="positive", true=9_400), Tree(label="praise", true=12_100)),
            ),
            Tree(label="not", true=14_280, children=(Tree(label="criticism", true=5_900),)),
        ),
    )
    return Funnel(
        formula="nike & product & (positive | praise) & ~criticism",
        tree=tree,
        decided=25_000,
        signals=_signals(),
        analysed=20_000,
        analysed_kept=7_160,
        steps=(
            Step(clause="nike", entered=25_000, passed=11_081, alone=8_865),
            Step(clause="product", entered=11_081, passed=11_081, alone=19_000),
            Step(clause="~criticism", entered=11_081, passed=8_951, alone=14_280),
            Step(clause="positive | praise", entered=8_951, passed=8_312, alone=11_280),
        ),
        leave_one_out=(
            LeaveOneOut(signal="nike", kept_without=14_000, removed=6_840),
            LeaveOneOut(signal="product", kept_without=7_160, removed=0),
            LeaveOneOut(signal="positive", kept_without=6_300, removed=0, added=860),
            LeaveOneOut(signal="criticism", kept_without=8_800, removed=1_640),
        ),
        pairs=(
            Pair(left="nike", right="product", both=8_865, either=19_000),
            Pair(left="positive", right="praise", both=6_400, either=11_280),
        ),
        clauses={
            "nike": 12_669,
            "nike unknown": 1_250,
            "criticism": 2_130,
            "positive | praise": 639,
        },
    )


def _checks() -> tuple[Check, ...]:
    examples = (
        Example(
            row_id="3f2a90c1d2e4f5a6",
            value="The page <b>says</b> caf\u00c3\u00a9",
            reason="mojibake",
        ),
    )
    return (
        Check(
            name="expect_column_values_to_not_be_null",
            column="text",
            passed=True,
            failed=0,
            rows=6_980,
            threshold="mostly 1.0",
        ),
        Check(
            name="expect_column_values_to_be_unique",
            column="row_id",
            passed=True,
            failed=0,
            rows=6_980,
        ),
        Check(
            name="expect_column_values_to_match_regex",
            column="text",
            passed=False,
            severity="warning",
            failed=12,
            rows=6_980,
            threshold="mostly 1.0",
            message="Texts must not hold HTML.",
            advice="strip the tags in the source",
            examples=examples,
        ),
        Check(
            name="quarantined_share",
            stage="threshold",
            passed=False,
            severity="warning",
            failed=1_250,
            rows=25_000,
            threshold="> 0.05 warning, > 0.2 critical",
        ),
        Check(
            name="expect_table_row_count_to_be_between",
            passed=True,
            observed=6_980,
            threshold="1 to any",
        ),
    )


def _histogram(scale: float) -> Histogram:
    edges = tuple(float(round(scale * 1.25**i)) for i in range(14))
    counts = (12, 90, 340, 900, 1_500, 1_640, 1_200, 700, 330, 160, 70, 28, 10)
    quantiles = {"p1": edges[1], "p5": edges[2], "p50": edges[5], "p95": edges[9], "p99": edges[11]}
    return Histogram(
        edges=edges,
        counts=counts,
        rows=sum(counts),
        min=edges[0],
        max=edges[-1] - 1,
        mean=edges[6],
        quantiles=quantiles,
    )


def _profile(rows: int, of: int, null: int) -> Profile:
    top = tuple(
        TokenUse(token=t, count=c)
        for t, c in [("nike", 6_980), ("are", 6_100), ("shoes", 2_020), ("durable", 460)]
    )
    return Profile(
        rows=rows,
        of=of,
        texts=rows - null,
        chars=_histogram(20),
        words=_histogram(6),
        tokens=_histogram(8),
        over_max=3,
        columns=(
            Column(name="text", type="String", null=null, blank=2),
            Column(name="label", type="String"),
        ),
        encoding={"html": 12, "mojibake": 3, "url": 40, "email": 2},
        scripts={"Latin": rows - null - 40, "Cyrillic": 40},
        languages={"en": 1_950, "de": 30, "fr": 20},
        language_rows=2_000,
        labels={
            "synthesize": {"positive": rows - 900, "negative": 900},
            "reviews.jsonl": {"positive": 300, "negative": 200},
        },
        vocabulary=Words(rows=rows, tokens=48_000, distinct=212, top=top, gini=0.71),
    )


def _samples() -> dict[str, tuple[Sample, ...]]:
    return {
        "kept": tuple(
            Sample(
                row_id=f"{i:032x}",
                text=f"Nike running shoes are famous for being durable and light ({i}).",
                why="nike, product, praise",
                label="positive",
                where=f"synthesize:{i}",
            )
            for i in range(6)
        ),
        "rejected": tuple(
            Sample(row_id=f"{i:032x}", text=t, why=w, label=lb, where=f"synthesize:{i}")
            for i, (t, w, lb) in enumerate(
                [
                    ("Adidas hoodies offer value for money.", "nike is false", "positive"),
                    (None, "nike is unknown", "negative"),
                    ("Nike socks are unfashionable.", "criticism is true", "negative"),
                    ("Puma caps made by Puma are expensive.", "nike is false", "negative"),
                ]
            )
        ),
        "quarantined": (
            Sample(row_id="ab" * 16, text="   ", why="text: blank", where="reviews.jsonl:18"),
        ),
    }


@pytest.fixture
def metrics() -> RunMetrics:
    """A run in which every part of the page has something to show."""
    return RunMetrics(
        verdict="warn",
        run=Run(
            run_id="20261121T103300-7f3a",
            recipe="nike-positive",
            recipe_hash="9f" * 16,
            formula="nike & product & (positive | praise) & ~criticism",
            formula_hash="ab" * 16,
            suite="default 1",
            version=4,
            base_version=3,
            started="2026-11-21 10:33 UTC",
            seconds=3.4,
            seed=7,
            versions={"siftset": "0.1.0", "polars": "2.1.0"},
        ),
        inputs=(
            Input(
                name="synthesize",
                kind="synthesize",
                location="lexicon nike",
                fingerprint="c0ffee" * 5,
                rows=25_000,
            ),
        ),
        rows=Rows(
            read=25_000,
            kept=6_980,
            rejected=15_438,
            quarantined=1_250,
            duplicate=1_332,
            unreadable=0,
            unknown=1_250,
            set=6_980,
            splits={"train": 6_290, "validation": 690},
        ),
        funnel=_funnel(),
        checks=_checks(),
        max_length=128,
        profiles={"input": _profile(20_000, 25_000, 1_003), "kept": _profile(6_980, 6_980, 0)},
        duplicates=Duplicates(
            exact=1_332,
            rows=8_312,
            groups=(
                Group(row_id="0a" * 16, repeats=9, text="Nike socks are light."),
                Group(row_id="0b" * 16, repeats=6, text="Nike caps are durable."),
            ),
        ),
        leakage=(
            Leak(kind="exact", left="validation", right="train", rows=0, of=690),
            Leak(
                kind="near",
                left="validation",
                right="train",
                rows=21,
                of=690,
                note="Jaccard >= 0.8 of word 3-grams",
                examples=(
                    Example(
                        row_id="0c" * 16,
                        value="Nike caps are very durable.",
                        reason="repeats Nike caps are durable.",
                    ),
                ),
            ),
        ),
        drift=(
            Drift(
                name="PSI of text length",
                against="version 3",
                value=0.02,
                limits="0.1 warning, 0.25 critical",
            ),
            Drift(
                name="Jensen-Shannon distance of labels",
                against="version 3",
                value=0.31,
                unit="bits",
                level="warn",
                limits="0.1 warning",
            ),
            Drift(
                name="Rows", against="version 3", value=0.12, before=6_200, after=6_980, unit="x"
            ),
        ),
        label_precision=LabelPrecision(wanted=("positive",), right=6_980, labelled=6_980),
        samples=_samples(),
        links={
            "Quarantine": "quarantine/",
            "Rejected rows": "rejected/",
            "Metrics": "metrics.json",
            "Manifest": "manifest.json",
        },
        custom={"brand_balance": 0.82},
        alerts=("Kept share fell by 12 points against the median of the last 5 runs.",),
    )


@pytest.fixture
def history(metrics: RunMetrics) -> list[RunMetrics]:
    """Earlier runs of the same recipe, the oldest first."""
    kept = [5_100, 5_300, 5_200, 5_800, 6_100, 6_050, 6_200]
    return [
        metrics.model_copy(
            update={
                "rows": metrics.rows.model_copy(
                    update={"kept": k, "rejected": 22_418 - k, "quarantined": 1_100 + 20 * i}
                ),
                "run": metrics.run.model_copy(update={"run_id": f"run-{i}", "version": i}),
            }
        )
        for i, k in enumerate(kept)
    ]
