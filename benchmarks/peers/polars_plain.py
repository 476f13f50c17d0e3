"""Plain polars: the cheap filters by hand first, VADER per row on what is left."""

import polars as pl
from job import NIKE, PRODUCT, THRESHOLD, arguments

if __name__ == "__main__":
    source, out, score = arguments()
    out.mkdir(parents=True, exist_ok=True)
    text = pl.col("text")
    for file in sorted(source.glob("*.parquet")):
        left = pl.scan_parquet(file).filter(text.str.contains(NIKE)).collect()
        left = left.filter(text.str.contains(PRODUCT))
        keep = left["text"].map_elements(score, return_dtype=pl.Float64) > THRESHOLD
        left.filter(keep).write_parquet(out / file.name)
