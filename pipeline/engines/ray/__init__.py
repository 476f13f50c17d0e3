"""Shards as tasks on a Ray cluster."""
