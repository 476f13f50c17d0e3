from __future__ import annotations

from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real text; tests that need it skip where it is absent."""
    if not CORPORA.is_dir():
        pytest.skip("the corpora folder is not beside this checkout")
    return CORPORA
