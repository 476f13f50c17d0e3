"""Token ids, batches and masks."""
