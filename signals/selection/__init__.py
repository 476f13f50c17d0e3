"""Which rows of many are most like some example texts."""
