"""Near duplicates by MinHash and verified Jaccard; the compiled kernel has a plain twin."""
