"""Which of several processes this one is, as torchrun and accelerate launch say."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Say whether this process writes and speaks for all; alone it does."""
    several = os.environ.get("WORLD_SIZE", "1") != "1"
    return not several or os.environ.get("RANK", "0") == "0"
