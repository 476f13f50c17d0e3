"""duckdb: its own regular expressions, VADER as a Python function on what is left."""

import duckdb
from job import NIKE, PRODUCT, THRESHOLD, arguments

if __name__ == "__main__":
    source, out, score = arguments()
    out.mkdir(parents=True, exist_ok=True)
    rows = duckdb.connect()
    rows.create_function("compound", score, [str], float)
    # materialised, so that the function sees no row that a pattern refuses
    rows.execute(
        f"""
        COPY (
            WITH met AS MATERIALIZED (
                SELECT id, text FROM read_parquet('{source}/*.parquet')
                WHERE regexp_matches(text, '{NIKE}') AND regexp_matches(text, '{PRODUCT}')
            )
            SELECT id, text FROM met WHERE compound(text) > {THRESHOLD}
        ) TO '{out}/kept.parquet' (FORMAT parquet)
        """
    )
