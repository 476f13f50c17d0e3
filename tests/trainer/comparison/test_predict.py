from __future__ import annotations

import datetime
import json

import numpy as np
import polars as pl
import pytest
from transformers import BertModel

from siftset.schemas.errors import ModelError, OutputError, RecipeError, SourceError
from siftset.trainer.inference.adapters import EvaluationModel
from siftset.trainer.inference.embeddings import load_encoder, write_embeddings
from siftset.trainer.inference.predict import (
    PredictSettings,
    fill_mask,
    load_predictor,
    predict_answers,
    predict_classes,
    read_examples,
)
from siftset.trainer.inference.predict_file import predict_file
from siftset.trainer.inference.usage_snippets import read_usage, write_usage
from siftset.trainer.tasks.templates import Template


@pytest.fixture
def saved(tmp_path, wordpiece, decoder_tokenizer):
    def save(model, *, decoder: bool = False):
        folder = tmp_path / "model"
        model.save_pretrained(folder)
        (decoder_tokenizer if decoder else wordpiece).save_pretrained(folder)
        return folder

    return save


def test_every_mask_is_filled(saved, masked_model):
    predictor = load_predictor(str(saved(masked_model(1))), PredictSettings(top_k=3))
    found = predictor(["the [MASK] are very <mask> .", "[MASK]"])
    assert predictor.task == "mlm"
    assert [len(one["masks"]) for one in found] == [2, 1]
    best = found[0]["masks"][1]
    assert len(best) == 3
    assert best[0]["probability"] > best[1]["probability"] > best[2]["probability"]
    assert best[0]["sentence"].startswith("the [MASK] are very")
    json.dumps(found)


def test_the_tokens_are_the_models_own(masked_model, wordpiece):
    from transformers import pipeline

    from siftset.trainer.inference.adapters import MaskedLM

    ours = fill_mask(MaskedLM(masked_model(1), wordpiece), "the shoes are [MASK] .", 4)[0]
    theirs = pipeline("fill-mask", model=masked_model(1), tokenizer=wordpiece, top_k=4)
    for mine, reference in zip(ours, theirs("the shoes are [MASK] ."), strict=True):
        assert mine["probability"] == pytest.approx(reference["score"], abs=1e-5)
        assert mine["token"] == reference["token_str"]


def test_class_probabilities_of_a_saved_model(saved, classifier_model):
    predictor = load_predictor(str(saved(classifier_model(1))))
    found = predictor(["fun", "a dull film"])
    for one in found:
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert one["label"] == max(one["probabilities"], key=one["probabilities"].get)
    assert found[1]["text"] == "a dull film"


def test_several_labels_have_a_say_each(saved, classifier_model):
    model = classifier_model(1)
    model.config.problem_type = "multi_label_classification"
    found = load_predictor(str(saved(model)))(["fun"])[0]
    assert found["labels"] == [name for name, p in found["probabilities"].items() if p >= 0.5]


def test_an_answer_of_a_saved_model(saved, causal_model):
    folder = saved(causal_model(1), decoder=True)
    write_usage(folder, "causal", max_length=64, template=Template("the {question} ", "answer"))
    predictor = load_predictor(str(folder), PredictSettings(max_new_tokens=4))
    plain = load_predictor(
        str(folder), PredictSettings(max_new_tokens=4, template=Template("{q}", "a"))
    )
    assert predictor(["shoes are"])[0]["answer"] == plain(["the shoes are"])[0]["answer"]
    assert predictor.task == "causal"


def test_worked_examples_stand_before_the_prompt():
    asking = PredictSettings(
        examples=(("1+1", "2"), ("2+2", "4")), template=Template("Q: {question}\nA: ", "answer")
    )
    assert asking.write_prompt("3+3") == "Q: 1+1\nA: 2\n\nQ: 2+2\nA: 4\n\nQ: 3+3\nA: "
    assert PredictSettings(examples=(("a", "b"),)).write_prompt("c") == "a\nb\n\nc\n"
    assert PredictSettings().write_prompt("c") == "c"


class Echo:
    cut_prompts = 0

    def generate_answers(self, prompts, max_new_tokens):
        return [prompt.upper() for prompt in prompts]

    def answer_loss(self, prompts, answers):
        return np.zeros((len(prompts), 2))

    def text_loss(self, texts):
        return np.zeros((len(texts), 2))


def test_json_lines_in_and_out(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"id": i, "text": f"é {i}"}) for i in range(600)]
    source.write_text("\n".join([*lines, '"bare"', ""]), encoding="utf-8")
    assert predict_file(predict_answers(Echo(), PredictSettings()), source, target) == 601
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert rows[599] == {"id": 599, "text": "é 599", "answer": "É 599"}
    assert rows[600] == {"text": "bare", "answer": "BARE"}
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl", "out.jsonl"]


ROWS = pl.DataFrame(
    {
        "id": [f"00{i}" for i in range(300)],
        "text": [f'says "{i}", twice' for i in range(300)],
        "label": ["pos", "neg", None] * 100,
        "on": [datetime.date(2024, 1, 1 + i % 28) for i in range(300)],
    }
)


@pytest.mark.parametrize("into", [".csv", ".parquet", ".jsonl", ".ndjson"])
@pytest.mark.parametrize("of", [".csv", ".parquet", ".jsonl"])
def test_files_are_read_and_written_by_their_endings(tmp_path, of, into):
    source, target = tmp_path / f"in{of}", tmp_path / f"out{into}"
    {".csv": ROWS.write_csv, ".parquet": ROWS.write_parquet, ".jsonl": ROWS.write_ndjson}[of](
        source
    )
    predictor = predict_classes(_Sure(), PredictSettings())
    assert predict_file(predictor, source, target) == 300
    if into == ".csv":
        found = pl.read_csv(target, infer_schema=False)
        scores = [json.loads(one) for one in found["probabilities"]]
    else:
        read = pl.read_parquet if into == ".parquet" else pl.read_ndjson
        found = read(target)
        scores = found["probabilities"].to_list()
    assert found["id"].to_list() == ROWS["id"].to_list()
    assert found["text"].to_list() == ROWS["text"].to_list()
    assert found["label"].fill_null("").to_list() == ROWS["label"].fill_null("").to_list()
    assert found["predicted_label"].to_list() == ["pos", "neg"] * 150
    assert scores[:2] == [{"neg": 0.25, "pos": 0.75}, {"neg": 0.75, "pos": 0.25}]
    if of == into == ".parquet":
        assert found["on"].dtype == pl.Date


class _Sure:
    labels = ("neg", "pos")
    multi_label = False

    def predict_probabilities(self, texts):
        even = np.array([int(text.split('"')[1]) % 2 == 0 for text in texts])
        return np.where(even[:, None], [[0.25, 0.75]], [[0.75, 0.25]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "text,n\na,1\nb\n", r"in\.csv:3: expected 2 fields"),
        ("in.csv", "words\na\n", r"in\.csv:2: expected a text in 'text', there are: words"),
        ("in.txt", "a", r"in\.txt cannot be read: expected a name that ends in \.jsonl"),
        ("in.parquet", "no", r"in\.parquet cannot be read"),
    ],
)
def test_a_file_that_cannot_be_answered_is_said(tmp_path, name, content, message):
    source = tmp_path / name
    source.write_text(content)
    predictor = predict_answers(Echo(), PredictSettings())
    with pytest.raises(SourceError, match=message):
        predict_file(predictor, source, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [source]
    with pytest.raises(OutputError, match="expected a name that ends in"):
        predict_file(predictor, tmp_path / "in.csv", tmp_path / "out.xlsx")


def test_a_text_that_is_missing_is_said_with_its_row(tmp_path):
    source = tmp_path / "in.parquet"
    pl.DataFrame({"text": ["a", None]}).write_parquet(source)
    with pytest.raises(SourceError, match=r"in\.parquet: row 2: expected a text in 'text'"):
        predict_file(predict_answers(Echo(), PredictSettings()), source, tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"text": "a"}\n\n{', r"in\.jsonl:3: broken JSON"), ('{"t": 1}', r"in\.jsonl:1: expected")],
)
def test_a_bad_line_leaves_no_file(tmp_path, text, message):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(text)
    with pytest.raises(SourceError, match=message):
        predict_file(predict_answers(Echo(), PredictSettings()), source, target)
    assert list(tmp_path.iterdir()) == [source]


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('"a"')
    with pytest.raises(OutputError, match="cannot be written"):
        predict_file(
            predict_answers(Echo(), PredictSettings()), source, tmp_path / "none" / "out.csv"
        )
    with pytest.raises(SourceError, match="cannot be read"):
        predict_file(
            predict_answers(Echo(), PredictSettings()), tmp_path / "no.csv", tmp_path / "out.csv"
        )


def test_examples_are_read(tmp_path):
    path = tmp_path / "examples.jsonl"
    path.write_text('["a", "b"]\n{"question": "c", "answer": "d"}\n')
    assert read_examples(path) == (("a", "b"), ("c", "d"))
    path.write_text('["a"]')
    with pytest.raises(RecipeError, match=r"examples\.jsonl:1: expected a question and an answer"):
        read_examples(path)


def test_a_model_without_a_head_is_refused(saved, masked_model):
    folder = saved(BertModel(masked_model(1).config))
    with pytest.raises(ModelError, match="has no head that fills masks"):
        load_predictor(str(folder))


def test_usage_is_read_or_derived(saved, masked_model):
    folder = saved(masked_model(1))
    assert read_usage(str(folder)).task == "mlm"
    assert read_usage("minilm").task == "mlm"
    write_usage(folder, "mlm", max_length=32)
    assert read_usage(str(folder)).max_length == 32
    (folder / "siftset.json").write_text("{}")
    with pytest.raises(ModelError, match="is not what siftset train writes"):
        read_usage(str(folder))


def test_embeddings_are_means_over_the_tokens(saved, masked_model, wordpiece):
    import torch

    model = load_encoder(str(saved(masked_model(1))))
    found = model.embed_texts(["the shoes", "a very long film was fun"])
    with torch.inference_mode():
        hidden = model.model(**wordpiece("the shoes", return_tensors="pt")).last_hidden_state
    assert found[0] == pytest.approx(hidden[0].mean(0).numpy(), abs=1e-5)
    assert found.shape == (2, 16)
    assert model.embed_texts([]).shape == (0, 16)


def test_embeddings_go_to_parquet(tmp_path, masked_model, wordpiece):
    model = EvaluationModel(masked_model(1).bert, wordpiece)
    rows = pl.DataFrame({"row_id": ["a", "b", "c"], "text": ["fun", None, "dull film"]})
    target = tmp_path / "vectors.parquet"
    assert write_embeddings(model, [rows, rows.head(0)], target) == 3
    found = pl.read_parquet(target)
    assert found["row_id"].to_list() == ["a", "b", "c"]
    assert found["embedding"].list.len().to_list() == [16, None, 16]
    assert found["embedding"][0].to_list() == pytest.approx(model.embed_texts(["fun"])[0], abs=1e-6)
    with pytest.raises(OutputError, match="no rows"):
        write_embeddings(model, [], target)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.parquet"]
