"""Who runs the shards: threads here, tasks on a cluster elsewhere."""
