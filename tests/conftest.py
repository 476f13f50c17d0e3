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
def sample_corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of made-up text in the shape of the corpora that the examples read."""
    folder = tmp_path_factory.mktemp("corpora")
    _beside("made_corpora").write(folder)
    return folder


def _beside(name: str) -> Any:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium (tests/browser.py); tests that need it skip where there is none."""
    pytest.importorskip("selenium")
    module = _beside("browser")
    if not (module.CHROMIUM and module.DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    with module.chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
