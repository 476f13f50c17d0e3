"""The notebook runs from its first cell to its last, and its page shows what it holds."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "nike.ipynb"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def tiny_model(folder: Path) -> None:
    """Save a small BERT with random weights, whose vocabulary is that of the sentences made."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    lexicon = resources.files("siftset.data").joinpath("lexicons", "nike.yaml").read_text("utf-8")
    words = dict.fromkeys([*SPECIAL, *re.findall(r"[a-z]+", lexicon.lower()), "and", "the", "are"])
    made = Tokenizer(models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=64,
        **{f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)},
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(words), intermediate_size=64, **shape)
    BertForMaskedLM(config).save_pretrained(folder)


def test_every_cell_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    tiny_model(tmp_path / "model")
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("NIKE_MODEL", str(tmp_path / "model"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path / "here")}}
    nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    assert list((tmp_path / "here").glob("out/nike-small/models/v0-mlm-*/compare.html"))


def test_what_is_stored_is_short_and_names_no_machine():
    text = NOTEBOOK.read_text("utf-8")
    assert len(text) < 40_000
    assert not re.search(r"/(?:work|home|root|tmp|Users)/", text)
    for cell in json.loads(text)["cells"]:
        for output in cell.get("outputs", []):
            assert output["output_type"] in ("stream", "execute_result")
            assert output.get("name", "stdout") == "stdout"
