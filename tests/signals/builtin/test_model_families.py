"""Kinds that ask a model, on tiny models made here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.run.job import load_job
from siftset.pipeline.run.score_store import StoredScores
from siftset.schemas.errors import SignalError
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse
from siftset.signals.registry import build

torch = pytest.importorskip("torch")
WORDS = "good bad shoes very nice the a of and to is are not sole watch great".split()
TEXTS = ["good shoes", "the watch is not very nice and the sole is bad", "great", None]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("models")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]"
    )
    size = {"vocab_size": len(vocabulary), "pad_token_id": 0}
    bert = transformers.BertConfig(
        **size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1},
    )  # fmt: skip
    gpt = transformers.GPT2Config(
        **size, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    for name, model in {
        "classifier": transformers.BertForSequenceClassification(bert),
        "causal": transformers.GPT2LMHeadModel(gpt),
        "encoder": transformers.BertModel(bert),
    }.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def ask(folder: Path, spec: dict) -> list[float | None]:
    decider = Decider(parse("asked >= -1"), build({"asked": spec}, folder=folder))
    decided = decider.decide(pl.DataFrame({"text": TEXTS}))
    assert decided.scores is not None
    return decided.scores.struct.field("asked").to_list()


def test_probabilities_confidence_and_entropy_agree(models: Path):
    yes = ask(models, {"classifier": {"model": "classifier", "label": "yes"}})
    no = ask(models, {"classifier": {"model": "classifier", "label": "no"}})
    sure = ask(models, {"confidence": {"model": "classifier"}})
    entropy = ask(models, {"confidence": {"model": "classifier", "measure": "entropy"}})
    for p, q, best, nats in zip(yes[:3], no[:3], sure[:3], entropy[:3], strict=True):
        assert p is not None
        assert q is not None
        assert p + q == pytest.approx(1, abs=1e-6)
        assert best == pytest.approx(max(p, q), abs=1e-6)
        expected = -sum(x * torch.tensor(x).log().item() for x in (p, q))
        assert nats == pytest.approx(expected, abs=1e-5)
    assert yes[3] is None


def test_perplexity_is_that_of_the_model_text_by_text(models: Path):
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(models / "causal").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / "causal")
    found = ask(models, {"perplexity": {"model": "causal"}})
    for text, score in zip(TEXTS[:2], found[:2], strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            assert score == pytest.approx(model(ids, labels=ids).loss.exp().item(), rel=1e-4)
    assert found[2:] == [None, None]  # one token has nothing to predict


def test_similarity_of_an_example_with_itself_is_one(models: Path):
    found = ask(models, {"similar": {"to": ["good shoes", "great"], "model": "encoder"}})
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[2] == pytest.approx(1, abs=1e-5)
    assert found[1] is not None
    assert found[1] < 1
    assert found[3] is None


def test_tokens_are_counted_without_special_ones(models: Path):
    assert ask(models, {"tokens": {"model": "encoder"}}) == [2.0, 11.0, 1.0, None]


ASKED = {
    "tokens": {"model": "encoder"},
    "classifier": {"model": "classifier", "label": "yes"},
    "confidence": {"model": "classifier"},
    "perplexity": {"model": "causal"},
    "similar": {"to": ["good"], "model": "encoder"},
}
READ = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.txt", "spiece.model", "generation_config.json",
        "model.safetensors.index.json", "chat_template.jinja",
        "additional_chat_templates/tool.jinja"]  # fmt: skip
BESIDE = ["README.md", "compare.json", "curves.csv", "training.json", "predictions.parquet",
          ".DS_Store", "pytorch_model.bin"]  # fmt: skip


def known_by(folder: Path, kind: str) -> tuple[str, str, Path]:
    """Return what a run is known by, and where the score cache keeps the answers."""
    recipe = {"name": "n", "output": "out", "source": {"files": {"paths": ["in.csv"]}},
              "signals": {"asked": {kind: ASKED[kind]}}, "keep": "asked >= 0"}  # fmt: skip
    (folder / "in.csv").write_text("text\ngood\n", "utf-8")
    (folder / "recipe.json").write_text(json.dumps(recipe), "utf-8")
    job = load_job(folder / "recipe.json")
    signal = job.decider.questions["asked"].signal
    shelf = StoredScores(folder / "out").shelf(signal)
    assert shelf is not None
    return job.key, signal.fingerprint, shelf.folder


@pytest.mark.parametrize("kind", ASKED)
def test_a_model_is_known_by_every_file_that_loading_it_reads(
    models: Path, tmp_path: Path, kind: str
):
    folder = shutil.copytree(models, tmp_path / "models")
    model = folder / str(ASKED[kind]["model"])
    before = known_by(folder, kind)
    seen = {before}
    for name in READ:
        path = model / name
        path.parent.mkdir(exist_ok=True)
        kept = path.read_bytes() if path.is_file() else None
        path.write_bytes((kept or b"{}") + b"\n")
        found = known_by(folder, kind)
        for part, one in enumerate(found):
            assert one not in {other[part] for other in seen}, name
        seen.add(found)
        path.unlink() if kept is None else path.write_bytes(kept)
        assert known_by(folder, kind) == before
    for name in BESIDE:
        (model / name).write_text("{}")
    assert known_by(folder, kind) == before


def test_a_model_that_changed_is_asked_anew_in_the_same_process(models: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(models / "classifier", tmp_path / "classifier")
    spec = {"classifier": {"model": "classifier", "label": "yes"}}
    before = ask(tmp_path, spec)
    weights = tmp_path / "classifier" / "model.safetensors"
    changed = {name: value * 2 + 1 for name, value in load_file(weights).items()}
    save_file(changed, weights, metadata={"format": "pt"})
    assert ask(tmp_path, spec)[0] != before[0]


def test_an_unknown_label_is_refused(models: Path):
    with pytest.raises(SignalError, match="has no label 'maybe'; it has: no, yes"):
        build({"x": {"classifier": {"model": "classifier", "label": "maybe"}}}, folder=models)
