"""The signals that ship, one file a family."""
