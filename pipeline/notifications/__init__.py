"""The webhook, alerts and lineage events."""
