# ruff: noqa: E501  one expectation a line
"""Validate generated rows with Great Expectations on polars, plain polars, and on pandas.

    python -m benchmarks.gate --rows 1000000 --repeat 2 --pandas 1000000

Every measurement is a fresh process; the paths alternate, so that a slow minute hits both. CPU is
user and system time of the validating step alone, without imports; RSS is the process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 250_000
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
EXPECTATIONS = [
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_column_values_to_not_be_null", {"column": "text", "mostly": 0.9}),
    ("expect_column_value_lengths_to_be_between", {"column": "text", "min_value": 1, "max_value": 2000}),
    ("expect_column_values_to_not_match_regex", {"column": "text", "regex": CONTROL}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": r"\S"}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["positive", "negative"]}),
    ("expect_column_values_to_be_unique", {"column": "row_id"}),
    ("expect_column_values_to_not_be_null", {"column": "row_id"}),
    ("expect_column_values_to_be_between", {"column": "score", "min_value": 0, "max_value": 1}),
    ("expect_column_mean_to_be_between", {"column": "score", "min_value": 0.4, "max_value": 0.6}),
]  # fmt: skip


def generate(path: Path, rows: int) -> None:
    """Write rows of about 100 bytes: 5 % null, duplicates, bad labels, control characters."""
    import polars as pl
    import pyarrow.parquet as pq

    writer = None
    for start in range(0, rows, BLOCK):
        i = pl.int_range(start, min(start + BLOCK, rows), eager=True).alias("i").to_frame()
        n, r = pl.col("i"), pl.col("i").hash(7)
        ids = pl.when(r % 100_000 == 3).then(0).otherwise(n).cast(pl.String).str.zfill(32)
        text = pl.concat_str(
            pl.lit("these shoes are comfortable and run true to size, order "),
            r.cast(pl.String),
            pl.when(r % 1000 == 1).then(pl.lit("\x07")).otherwise(pl.lit("")),
        )
        label = pl.when(r % 500 == 2).then(pl.lit("bad")).when(r % 2 == 0).then(pl.lit("positive"))
        table = i.select(
            row_id=ids,
            text=pl.when(r % 20 != 5).then(text),
            label=label.otherwise(pl.lit("negative")),
            score=(r % 10_000) / 10_000,
        ).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def floor(path: Path, key: str = "row_id") -> dict[str, float]:
    """Count the same with plain polars, in one streaming scan."""
    import polars as pl

    text, label, score = pl.col("text"), pl.col("label"), pl.col("score")
    frame = pl.scan_parquet(path)
    counts = frame.select(
        rows=pl.len(),
        null=text.is_null().sum(),
        long=(~text.str.len_chars().is_between(1, 2000)).sum(),
        control=text.str.contains(CONTROL).sum(),
        blank=(~text.str.contains(r"\S")).sum(),
        label=(~label.is_in(["positive", "negative"])).sum(),
        null_id=pl.col("row_id").is_null().sum(),
        between=(~score.is_between(0, 1)).sum(),
        mean=score.mean(),
    )
    ids = pl.col("row_id") if key == "row_id" else pl.col("row_id").hash()
    repeated = frame.group_by(ids.alias("key")).agg(pl.len()).filter(pl.col("len") > 1)
    found, again = pl.collect_all(
        [counts, repeated.select(pl.col("len").sum())], engine="streaming"
    )
    row = found.row(0, named=True)
    return {
        "null": row["null"],
        "length": row["long"],
        "control": row["control"],
        "blank": row["blank"],
        "label": row["label"],
        "unique": again.item() or 0,
        "null_id": row["null_id"],
        "between": row["between"],
    }


def gx_polars(path: Path) -> dict[str, float]:
    """Run the suite through the gate's engine, Data Docs included."""
    from siftset.pipeline.gate.checkpoint import run_gate

    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "suite.json"
        listed = [{"type": kind, "kwargs": kwargs} for kind, kwargs in EXPECTATIONS]
        suite.write_text(json.dumps({"name": "bench", "expectations": listed}))
        result = run_gate([path], suite=suite, folder=Path(folder))
    return _named([check.failed for check in result.checks])


def gx_pandas(path: Path) -> dict[str, float]:
    """Run the same expectations through Great Expectations' pandas engine."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        {"dataframe": pd.read_parquet(path)}
    )
    suite = gx.ExpectationSuite("bench")
    for kind, kwargs in EXPECTATIONS:
        suite.add_expectation(get_expectation_impl(kind)(**kwargs))
    found = {
        (r.expectation_config.type, r.expectation_config.kwargs.get("column")): r.result.get(
            "unexpected_count"
        )
        for r in batch.validate(suite).results
    }
    return _named([found[kind, kwargs.get("column")] for kind, kwargs in EXPECTATIONS])


def _named(counts: list[float | None]) -> dict[str, float]:
    names = ("null", "length", "control", "blank", "label", "unique", "null_id", "between")
    return dict(zip(names, [count or 0 for count in counts[1:9]], strict=True))


def floor_hashed(path: Path) -> dict[str, float]:
    """Count with the gate's own trick: unique by hash, which is exact unless hashes collide."""
    return floor(path, "hash")


PATHS = {"floor": floor, "floor-hash": floor_hashed, "gx-polars": gx_polars, "gx-pandas": gx_pandas}


def measure(which: str, path: Path) -> None:
    """Measure one path in this process and print it as JSON."""
    import warnings

    warnings.simplefilter("ignore")
    if which.startswith("gx"):
        # Imports are not what is measured.

        import siftset.pipeline.gate.gx.data_docs  # noqa: F401
    import polars as pl

    pl.scan_parquet(path).head(1).collect(engine="streaming")
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    counts = PATHS[which](path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.perf_counter() - started
    print(json.dumps({"cpu": cpu, "s": seconds, "mib": after.ru_maxrss / 1024, "counts": counts}))


def child(which: str, path: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gate", "--measure", which, "--path", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "GX_ANALYTICS_ENABLED": "false"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def compare(rows: int, repeat: int, which: tuple[str, ...]) -> None:
    """Generate rows, measure each path in turn, and print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        generate(path, rows)
        runs: dict[str, list[dict]] = {name: [] for name in which}
        for _ in range(repeat):
            for name in which:
                runs[name].append(child(name, path))
    counts = [run["counts"] for each in runs.values() for run in each]
    assert all(each == counts[0] for each in counts), counts
    print(f"{rows:,} rows; equal counts: {counts[0]}")
    base = statistics.median(run["cpu"] for run in runs[which[0]])
    for name, each in runs.items():
        cpu = statistics.median(run["cpu"] for run in each)
        seconds, peak = min(run["s"] for run in each), max(run["mib"] for run in each)
        print(f"{name:10} CPU {cpu:7.2f} s ({cpu / base:4.2f}x)  {seconds:6.2f} s  {peak:6.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--pandas", type=int, default=1_000_000, help="rows for pandas; 0: leave out"
    )
    parser.add_argument("--measure", choices=tuple(PATHS))
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.path)
        return
    compare(options.rows, options.repeat, ("floor", "floor-hash", "gx-polars"))
    if options.pandas:
        compare(options.pandas, 1, ("gx-polars", "gx-pandas"))


if __name__ == "__main__":
    main()
