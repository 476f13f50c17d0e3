"""One prepared run: job, context, score store, split, work folder, progress file."""
