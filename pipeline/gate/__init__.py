"""The gate: Great Expectations over polars decides whether a set may be published."""
