from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Machines are shared and slow at times: a law holds or it does not, however long it takes to see.
settings.register_profile(
    "siftset", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("siftset")

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real text; tests that need it skip where it is absent."""
    if not CORPORA.is_dir():
        pytest.skip("the corpora folder is not beside this checkout")
    return CORPORA


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium (tests/browser.py); tests that need it skip where there is none."""
    pytest.importorskip("selenium")
    spec = importlib.util.spec_from_file_location("_browser", Path(__file__).parent / "browser.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not (module.CHROMIUM and module.DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    with module.chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
