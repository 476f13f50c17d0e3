"""A folder of its own for each recording, and the command as users run it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ENVIRONMENT = ("SIFTSET_CORPORA", "SIFTSET_WEBHOOK", "SIFTSET_WORK", "SIFTSET_TWEETS",
               "SIFTSET_MEDICAL", "SIFTSET_FILMS_CSV", "OPENLINEAGE_URL", "OPENLINEAGE_API_KEY",
               "OPENLINEAGE_NAMESPACE")  # fmt: skip


@pytest.fixture(scope="session")
def invoke() -> Callable[..., Any]:
    """Run the installed command in this process, wherever its modules lie."""
    from typer.testing import CliRunner

    app = next(iter(entry_points(group="console_scripts", name="siftset"))).load()

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)

    return run


def _beside(name: str) -> ModuleType:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"_recording_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def recording() -> ModuleType:
    """The module tape.py beside this file."""
    return _beside("tape")


@pytest.fixture(scope="session")
def world() -> ModuleType:
    """The module world.py beside this file."""
    return _beside("world")


@pytest.fixture
def tape_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: ModuleType,
    invoke: Callable[..., Any],
) -> Callable[[str], Any]:
    """Make the tape of a scenario, in a folder of its own that is the current one."""
    folder = tmp_path.resolve() / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("SIFTSET_CACHE", str(_cache(tmp_path)))
    return lambda name: recording.Tape(name, folder, invoke)


def _cache(folder: Path) -> Path:
    """Make a cache without the embedded model, but with the kernels that this machine compiled."""
    own = os.environ.get("SIFTSET_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "siftset"
    kernels = base.expanduser() / "kernels"
    kernels.mkdir(parents=True, exist_ok=True)
    cache = folder / "cache"
    cache.mkdir()
    (cache / "kernels").symlink_to(kernels)
    return cache


WORDS = (
    "shoe", "shirt", "sock", "jacket", "ball", "glove", "hat", "bag", "good", "great", "light",
    "soft", "strong", "warm", "bad", "poor", "heavy", "rough", "weak", "cold", "the", "is", "and",
    "very", "it", "was", ".",
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny_model() -> Callable[[Path], None]:
    """Write a tiny BERT with random weights and words of its own into a folder."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")

    def write(folder: Path) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        made = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*names, *WORDS])}, "[UNK]"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        special = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=made, model_max_length=32, **dict(zip(special, names, strict=True))
        )
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(names) + len(WORDS), hidden_size=32, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=32, max_position_embeddings=32,
        )  # fmt: skip
        BertForMaskedLM(config).save_pretrained(folder)

    return write
