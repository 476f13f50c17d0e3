"""A review opened: rows read, decisions taken in, the rest under way."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

from siftset.pipeline.review.hand import HandDecisions
from siftset.pipeline.review.preparation import Preparation
from siftset.pipeline.review.rows import read_review_rows
from siftset.pipeline.review.session import ReviewSession
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import RecipeLike


def open_review(
    recipe: RecipeLike,
    *,
    by: str | None = None,
    overrides: Sequence[str] = (),
    with_map: bool = False,
    progress: Progress | None = None,
) -> ReviewSession:
    """Read the rows of a recipe and what was decided about them; nothing is made of them yet.

    `by` is who decides, by default the user of this process. Raises a SiftsetError.
    """
    with (progress or Silent()).stage("read the rows"):
        rows = read_review_rows(recipe, tuple(overrides))
    hand = HandDecisions(rows, by or name_reviewer())
    return ReviewSession(rows, hand, Preparation(rows, with_map=with_map))


def name_reviewer() -> str:
    """Return the user of this process, "reviewer" where the machine knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return os.environ.get("USERNAME") or "reviewer"
