"""Measures of a population of rows: states that merge, distances, leakage, history."""
