"""VADER sentiment, equal to the reference; the compiled kernel has a plain twin."""
