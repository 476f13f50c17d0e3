from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Machines are shared and slow at times: a law holds or it does not, however long it takes to see.
settings.register_profile(
    "siftset", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("siftset")

# Tiny models train no faster on more threads, and those of two workers spin while they wait for
# cores. Set before torch is imported; processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

FULL = os.environ.get("SIFTSET_TESTS") == "full"
"""Whether every case is wanted: the laws of costly runs hold for fewer otherwise."""

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def _beside(name: str) -> Any:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_costs = _beside("cpu_seconds")
pytest_addoption = _costs.add_option


def pytest_configure(config: pytest.Config) -> None:
    """Add up what the tests cost."""
    config.pluginmanager.register(_costs.CpuSeconds(config.getoption("cpu_budget")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases marked `full` unless SIFTSET_TESTS=full asks for them."""
    left_out = [] if FULL else [item for item in items if item.get_closest_marker("full")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def few_or_all() -> Callable[[int, int], int]:
    """Choose between few cases and all of them, as SIFTSET_TESTS=full says."""
    return lambda few, every: every if FULL else few


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


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Run a command line of siftset in this process; returns its exit code, stdout and stderr."""
    from typer.testing import CliRunner

    from siftset.pipeline.cli import app

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)

    return invoke


@pytest.fixture(scope="session")
def told(run: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run a command that must succeed; returns the one JSON object that it answers."""

    def ask(*arguments: object) -> dict[str, Any]:
        done = run(*arguments, "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    return ask


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium (tests/browser.py); tests that need it skip where there is none."""
    pytest.importorskip("selenium")
    module = _beside("browser")
    if not (module.CHROMIUM and module.DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    with module.chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def browser(chromium: Any) -> Any:
    """The session's Chromium in a window of one size, whatever the test before set."""
    chromium.emulate()
    return chromium


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny BERT with random weights and words of its own."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = "the a is was and or but soft warm light good great strong shoe hat bag more".split()
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*names, *words])}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=64, **dict(zip(special, names, strict=True))
    )
    folder = tmp_path_factory.mktemp("models") / "bert"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(names) + len(words), hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder
