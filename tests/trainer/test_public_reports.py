"""Faults that others reported of tools like this one, each tried by its situation here.

The table says where a report is, what its situation is, what happened here, and which test tries
it: one below, or one of another file, as FILE::TEST.
"""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from siftset.schemas.errors import TrainingError
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Search, Train
from siftset.trainer.data.tokens import encode_texts
from siftset.trainer.models.loading import load
from siftset.trainer.models.saving import save_model
from siftset.trainer.tasks import prepare_task
from siftset.trainer.tasks.base import longest_input
from siftset.trainer.tasks.labels import find_labels
from siftset.trainer.training.hyperparameter_search import Trial, search_settings
from siftset.trainer.training.session import Session

HERE = Path(__file__).parent


class Report(NamedTuple):
    """A public report, and the test that tries its situation."""

    where: str
    situation: str
    here: str
    test: str


TRAINER = "huggingface/transformers/"
REPORTS = [
    # Trainer
    Report(TRAINER + "issues/37766", "more accumulation steps, a larger loss", "held",
           "test_training.py::test_accumulation_does_not_change_a_step"),
    Report(TRAINER + "pull/35438", "items of a batch counted wrongly when accumulating", "held",
           "test_training.py::test_accumulation_does_not_change_a_step"),
    Report("axolotl-ai-cloud/axolotl/issues/3196", "the loss depends on the batch size", "held",
           "test_training.py::test_accumulation_does_not_change_a_step"),
    Report(TRAINER + "issues/11323", "other results after a resume", "held, bit by bit",
           "training/test_resume.py::test_killed_in_the_second_epoch_then_resumed_is_bit_equal"),
    Report(TRAINER + "issues/8874", "a resumed epoch in the order of the first", "held",
           "training/test_resume.py::test_killed_in_the_second_epoch_then_resumed_is_bit_equal"),
    Report(TRAINER + "issues/19957", "KeyError at the end: no eval_loss", "held: one line before",
           "comparison/test_preflight.py::test_a_metric_that_is_not_measured"),
    Report(TRAINER + "issues/28530", "early stopping off, as its metric is not there", "held",
           "comparison/test_preflight.py::test_a_metric_that_is_not_measured"),
    Report("axolotl-ai-cloud/axolotl/issues/28", "early stopping needs the best model", "held",
           "test_early_stopping_does_not_need_the_best_model"),
    Report("unslothai/unsloth-zoo/pull/822", "the best metric forgotten by a resume", "held",
           "test_unmeasured.py::test_early_stopping_says_at_which_step_and_why"),
    # Collators
    Report(TRAINER + "issues/11155", "padding is masked too", "held",
           "test_special_tokens_and_padding_are_never_asked_for"),
    Report(TRAINER + "issues/15609", "special tokens are masked where no mask says", "held",
           "test_special_tokens_and_padding_are_never_asked_for"),
    Report(TRAINER + "issues/11768", "whole words of BERT's tokenizer only", "held",
           "test_whole_words_of_byte_pairs_are_known"),
    Report(TRAINER + "issues/23530", "the end is never learned where it pads too", "held",
           "tasks/test_causal.py::test_the_answer_alone_is_learned_and_its_end"),
    Report(TRAINER + "issues/22794", "the tokenizer adds no end", "held",
           "tasks/test_causal.py::test_the_answer_alone_is_learned_and_its_end"),
    # Tokenizers
    Report(TRAINER + "issues/2630", "a decoder without a pad token", "held",
           "test_training.py::test_a_decoder_classifies_alike_alone_and_in_a_batch"),
    Report(TRAINER + "issues/35909", "classes of decoders are wrong with padding left", "fixed",
           "test_a_decoder_that_pads_left_classifies_elsewhere_as_here"),
    Report(TRAINER + "issues/4501", "a stock pipeline breaks on long texts", "fixed before",
           "models/test_saving.py::test_a_tokenizer_cuts_and_pads_as_it_should"),
    Report("run-llama/llama_index/issues/10461", "positions say less than the tokenizer", "held",
           "test_the_longest_input_is_what_positions_and_tokenizer_allow"),
    Report("explosion/curated-transformers/issues/359", "4,000 tokens into 512 positions", "held",
           "test_bad_input.py::test_texts_longer_than_the_model_are_cut_and_counted"),
    # peft
    Report("huggingface/peft/issues/876", "a reloaded classifier is much worse", "held",
           "test_a_head_of_several_layers_is_saved_with_low_rank_adapters"),
    Report("unslothai/unsloth-zoo/pull/1087", "merging drops a head of several layers", "held",
           "test_a_head_of_several_layers_is_saved_with_low_rank_adapters"),
    Report("huggingface/peft/issues/577", "the head of an adapter is random again", "held",
           "models/test_methods.py::test_lora_trains_and_saves_the_whole_head"),
    Report("huggingface/peft/issues/309", "adapters only, and no model to load", "held",
           "models/test_saving.py::test_adapters_lie_beside_the_merged_weights"),
    # TRL
    Report("huggingface/trl/issues/4147", "prompt and answer cut where tokens differ", "held",
           "data/test_pairs.py::test_a_pair_is_cut_out_of_one_text"),
    Report("huggingface/trl/issues/3279", "the prompt is in the loss", "held",
           "tasks/test_causal.py::test_the_answer_alone_is_learned_and_its_end"),
    Report("huggingface/trl/pull/4201", "no token of an answer is marked, in silence", "held",
           "tasks/test_chat_training.py::test_no_template_and_nothing_to_learn_are_one_line"),
    Report("huggingface/open-r1/issues/648", "columns by other names are plain text", "held",
           "tasks/test_causal.py::test_templates_know_columns_by_the_names_of_the_source"),
    # SetFit
    Report("huggingface/setfit/issues/145", "150 classes of few rows", "fixed: memory",
           "tasks/test_labels.py::test_two_hundred_classes_of_three_rows_train"),
    Report("huggingface/setfit/issues/101", "a class without rows is an IndexError", "held",
           "tasks/test_labels.py::test_a_class_that_is_never_in_train_is_named_with_its_split"),
    Report("huggingface/setfit/issues/131", "one label a row, several asked for", "held: one line",
           "test_one_label_a_row_where_several_are_asked_for_is_said"),
    Report("huggingface/setfit/issues/462", "columns of probabilities in another order", "held",
           "comparison/test_classified.py::test_labels_in_another_order_are_aligned"),
    Report("huggingface/setfit/issues/413", "one label of many: what is a class's weight", "fixed",
           "comparison/test_compare_multi_label.py::"
           "test_baselines_and_the_probe_give_several_labels"),
    # Optuna
    Report("optuna/optuna/issues/2705", "a killed trial starts anew", "held",
           "training/test_hyperparameter_search.py::test_search_and_folds_go_on_after_a_kill"),
    Report("optuna/optuna/issues/2638", "a resumed study makes all its trials again", "held",
           "training/test_hyperparameter_search.py::test_search_and_folds_go_on_after_a_kill"),
    Report("optuna/optuna/issues/3255", "a study made again after what follows it was killed",
           "fixed: trials outlive it", "training/test_hyperparameter_search.py::"
           "test_what_was_tried_outlives_a_kill_of_the_last_training"),
    Report("optuna/optuna/issues/2915", "settings are tried twice", "held",
           "test_equal_settings_are_tried_once"),
    # ONNX
    Report("pytorch/pytorch/issues/149065", "other batches than the one exported", "held",
           "inference/test_onnx.py::test_a_file_answers_as_the_model_does"),
    Report("pytorch/pytorch/issues/69605", "an export that answers otherwise", "held: refused",
           "inference/test_onnx.py::test_a_file_that_answers_otherwise_is_not_written"),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda one: one.where)
def test_each_report_is_tried(report):
    name = report.test.rpartition("::")[2]
    path = HERE / (report.test.rpartition("::")[0] or Path(__file__).name)
    tree = ast.parse(path.read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_early_stopping_does_not_need_the_best_model(tiny_bert, small_set, tmp_path, progress):
    config = Train(
        task="mlm",
        model=str(tiny_bert),
        line_by_line=True,
        learning_rate=1e-12,
        max_steps=8,
        eval_strategy="steps",
        eval_steps=1,
        early_stopping_patience=2,
        load_best_model_at_end=False,
    )
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    with session.quiet_libraries():
        session.prepare(resume=False)
        session.fit()
    assert session.loop.state.global_step < 8
    assert "early stopping" in {finding.name for finding in session.findings}


def test_special_tokens_and_padding_are_never_asked_for(tiny_bert, small_set, tmp_path):
    config = Train(task="mlm", model=str(tiny_bert), line_by_line=True, mlm_probability=0.5)
    task = prepare_task(config, small_set, seed=1)
    tokens = task.read_split(small_set.files["train"], tmp_path / "t.arrow", None)
    batch = task.make_collator(tokens)([(0, row) for row in range(32)])
    assert (batch["attention_mask"] == 0).any()
    assert len(batch["targets"]) > 32
    assert not set(batch["targets"].tolist()) & set(task.loaded.tokenizer.all_special_ids)


def test_whole_words_of_byte_pairs_are_known():
    text = "running shoes unbelievably good"
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learned = trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([text], learned)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>")
    found = encode_texts(tokenizer, [text], None, words=True)
    (ids,), (words,) = found.input_ids, found.words
    by_word = [tokenizer.decode([i for i, w in zip(ids, words, strict=True) if w == word])
               for word in dict.fromkeys(words)]  # fmt: skip
    assert "".join(by_word) == text
    assert all(len(word.split()) == 1 for word in by_word)
    assert len(ids) > len(by_word)


def test_a_decoder_that_pads_left_classifies_elsewhere_as_here(
    tiny_gpt2, small_set, tmp_path, progress
):
    from transformers import pipeline

    base = shutil.copytree(tiny_gpt2, tmp_path / "base")
    settings = json.loads((base / "tokenizer_config.json").read_text())
    left = settings | {"padding_side": "left"}
    (base / "tokenizer_config.json").write_text(json.dumps(left))
    config = Train(task="classification", model=str(base), max_steps=2, learning_rate=1e-2)
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    with session.quiet_libraries():
        session.prepare(resume=False)
        session.fit()
    trained = session.take_trained()
    save_model(trained, tmp_path / "m", max_length=64)
    texts = pl.read_parquet(small_set.files["validation"][0])["text"].to_list()[:8]
    asked = trained.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        inputs = {name: asked[name] for name in ("input_ids", "attention_mask")}
        here = trained.model(**inputs).logits.softmax(-1).max(-1).values
    stock = pipeline("text-classification", model=str(tmp_path / "m"), device="cpu")
    assert stock.tokenizer.padding_side == "right"
    assert load("causal", str(base)).padding_side == "left"
    there = [one["score"] for one in stock(texts, batch_size=4, padding=True, truncation=True)]
    assert there == pytest.approx(here.tolist(), abs=1e-5)


def test_the_longest_input_is_what_positions_and_tokenizer_allow(tiny_bert):
    loaded = load("mlm", str(tiny_bert))
    for said, expected in ((int(1e30), 64), (16, 16)):
        loaded.tokenizer.model_max_length = said
        assert longest_input(loaded) == expected


def test_a_head_of_several_layers_is_saved_with_low_rank_adapters(
    tiny_bert, small_set, tmp_path, progress
):
    from transformers import AutoModelForSequenceClassification, RobertaConfig, RobertaForMaskedLM

    base = shutil.copytree(
        tiny_bert, tmp_path / "base", ignore=shutil.ignore_patterns("*.safetensors")
    )
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"intermediate_size": 48, "max_position_embeddings": 70, "pad_token_id": 0}
    RobertaForMaskedLM(RobertaConfig(vocab_size=100, **shape)).save_pretrained(base)
    config = Train(
        task="classification",
        model=str(base),
        method={"lora": {"rank": 2}},
        max_steps=3,
        learning_rate=1e-2,
    )
    session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
    with session.quiet_libraries():
        session.prepare(resume=False)
        head = load("classification", str(base), labels=("neg", "pos")).model.classifier
        session.fit()
    trained = session.take_trained()
    save_model(trained, tmp_path / "m", max_length=64)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m").eval()
    asked = trained.tokenizer(["the shoe is good .", "the hat"], padding=True, return_tensors="pt")
    inputs = {name: asked[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        assert torch.allclose(again(**inputs).logits, trained.model(**inputs).logits, atol=1e-6)
    for part in ("dense", "out_proj"):
        learned = getattr(again.classifier, part).weight
        assert not torch.equal(learned, getattr(head, part).weight)


def test_one_label_a_row_where_several_are_asked_for_is_said(small_set):
    config = Train(task="classification", multi_label=True)
    with pytest.raises(TrainingError, match="expects lists in the column 'label', found one value"):
        find_labels(small_set.files, config)


def test_equal_settings_are_tried_once(small_set, tmp_path):
    made = []

    class Counted(Trial):
        def run(self, config, name, data=None, measured=()):
            made.append(name)
            return {"loss": config.learning_rate}

    search = Search(trials=9, learning_rate=(1e-3, 1e-4))
    trial = Counted(small_set, tmp_path, 1, Silent())
    config, found = search_settings(Train(task="mlm", search=search), search, trial)
    assert sorted(made) == ["learning_rate-0.0001", "learning_rate-0.001"]
    assert (config.learning_rate, len(found.trials)) == (1e-4, 2)
