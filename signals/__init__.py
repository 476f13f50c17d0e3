"""One idea: a named question about a row."""
