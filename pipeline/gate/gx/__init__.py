"""The adaptor to Great Expectations: its engine, datasource and pages over polars."""
