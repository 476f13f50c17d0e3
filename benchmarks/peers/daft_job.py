"""Daft: its own regex expressions, VADER as a batch function on what is left."""

import daft
from daft import DataType, col
from job import NIKE, PRODUCT, THRESHOLD, arguments

if __name__ == "__main__":
    source, out, score = arguments()

    @daft.func.batch(return_dtype=DataType.float64())
    def compound(texts):
        return [score(text) for text in texts.to_pylist()]

    rows = daft.read_parquet(str(source / "*.parquet"))
    text = col("text")
    rows = rows.where(text.not_null()).where(text.regexp(NIKE)).where(text.regexp(PRODUCT))
    rows = rows.with_column("compound", compound(text)).where(col("compound") > THRESHOLD)
    rows.exclude("compound").write_parquet(str(out))
