"""From a version of the set to a compared model. Knows nothing of the pipeline."""
