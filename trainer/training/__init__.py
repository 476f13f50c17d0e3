"""One training: settings, checks, the loop, checkpoints, the model card."""
