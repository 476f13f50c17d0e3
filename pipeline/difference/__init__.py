"""Which rows of a set differ between two states of it, and why."""
