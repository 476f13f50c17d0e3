"""Single-file HTML pages: the run report, the comparison page and the index."""
