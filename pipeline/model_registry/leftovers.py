"""What killed or failed trainings left beside the models, and when it goes.

Checkpoints and trials of a training that can go on stay for KEPT_DAYS after they were last written
to: settings or rows that changed meanwhile make another model, and nobody comes back for them.
Drafts go at once. Whoever removes them holds the lock of the models' folder.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

from siftset.schemas.progress import Progress

KEPT_DAYS: Final = 7
_RESUMABLE: Final = (".v*.work", ".v*.trials")
_DRAFTS: Final = (".v*.new", ".v*.old", ".launch-*", ".latest.*", ".current.*")


def remove_leftovers(models: Path, name: str, progress: Progress) -> None:
    """Remove what earlier trainings left in `models`, but for that of the model `name`."""
    for draft in (path for pattern in _DRAFTS for path in models.glob(pattern)):
        shutil.rmtree(draft) if draft.is_dir() and not draft.is_symlink() else draft.unlink()
    for folder in (path for pattern in _RESUMABLE for path in models.glob(pattern)):
        of = folder.stem.removeprefix(".")
        times = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
        days = (time.time() - max(times)) / 86_400
        if of != name and days > KEPT_DAYS:
            shutil.rmtree(folder, ignore_errors=True)
            progress.say(f"removed what the training of {of} left, {days:.0f} days untouched")
