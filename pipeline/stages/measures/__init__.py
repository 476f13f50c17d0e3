"""What a run measures of its rows: metrics, profiles, splits, votes, and what people decided."""
