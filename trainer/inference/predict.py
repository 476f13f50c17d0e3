"""Ask a model: masks filled, class probabilities or an answer, by the model's own task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.data.chat import Chat, ChatTemplate, find_chat_template
from siftset.trainer.inference.adapters import MaskFill, likeliest_tokens
from siftset.trainer.inference.protocols import Answerer, MaskedModel
from siftset.trainer.tasks.templates import Template

if TYPE_CHECKING:
    from siftset.trainer.inference.adapters import TextClassifier

Prediction = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """How texts are asked: tokens per mask; for a causal model also examples and template.

    Examples are (question, answer) pairs that are set before every prompt.
    """

    top_k: int = 5
    max_new_tokens: int = 64
    examples: tuple[tuple[str, str], ...] = ()
    template: Template | None = None
    chat: ChatTemplate | None = None
    """How a model of conversations is asked: examples are exchanges before the question."""

    def write_prompt(self, text: str) -> str:
        """Return the prompt of a causal model: the examples, then the question."""
        if self.chat is not None:
            asked = [("user", text)]
            before = [pair for q, a in self.examples for pair in (("user", q), ("assistant", a))]
            turns = tuple({"role": role, "content": said} for role, said in (*before, *asked))
            return self.chat.render(Chat(turns, frozenset()), prompt=True)
        ending = "" if self.template is None else self.template.ending
        shown = [f"{self._write_question(q)}{a}{ending}" for q, a in self.examples]
        return "\n\n".join([*shown, self._write_question(text)])

    def _write_question(self, text: str) -> str:
        if self.template is None:
            return f"{text}\n" if self.examples else text
        return self.template.ask(dict.fromkeys(self.template.columns[:-1], text))


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model that answers texts; the answers are JSON objects in the order of the texts."""

    task: TaskName
    answer: Callable[[Sequence[str]], list[Prediction]]

    def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer a batch of texts."""
        return self.answer(texts)


def fill_mask(model: MaskedModel, text: str, k: int = 5) -> list[list[Prediction]]:
    """Return, for every mask of the text, the k likeliest tokens with the whole sentence."""
    return _fill_texts(model, [text], k)[0]


def _fill_texts(model: MaskedModel, texts: Sequence[str], k: int) -> list[list[list[Prediction]]]:
    vocabulary = model.vocabulary
    return [
        [
            [
                dict(token)
                for token in likeliest_tokens(MaskFill.rank_tokens(one), vocabulary, (text, i), k)
            ]
            for i, one in enumerate(masks)
        ]
        for text, masks in zip(texts, model.fill_masks(texts), strict=True)
    ]


def predict_masks(model: MaskedModel, asking: PredictSettings) -> Predictor:
    """Return a predictor that fills every mask."""

    def answer_masks(texts: Sequence[str]) -> list[Prediction]:
        filled = _fill_texts(model, texts, asking.top_k)
        return [{"text": t, "masks": _as_json(m)} for t, m in zip(texts, filled, strict=True)]

    return Predictor("mlm", answer_masks)


def predict_classes(model: TextClassifier, _: PredictSettings) -> Predictor:
    """Return a predictor of class probabilities; multi-label ones name all from 0.5 on."""

    def answer_classes(texts: Sequence[str]) -> list[Prediction]:
        found = []
        for text, row in zip(texts, model.predict_probabilities(texts), strict=True):
            by_label = dict(zip(model.labels, map(float, row), strict=True))
            named: Prediction = {"label": model.labels[int(np.argmax(row))]}
            if model.multi_label:
                named = {"labels": [label for label, p in by_label.items() if p >= 0.5]}
            found.append({"text": text, **named, "probabilities": _as_json(by_label)})
        return found

    return Predictor("classification", answer_classes)


def predict_answers(model: Answerer, asking: PredictSettings) -> Predictor:
    """Return a predictor that answers prompts."""

    def answer_prompts(texts: Sequence[str]) -> list[Prediction]:
        prompts = [asking.write_prompt(text) for text in texts]
        answers = model.generate_answers(prompts, asking.max_new_tokens)
        return [{"text": t, "answer": a} for t, a in zip(texts, answers, strict=True)]

    return Predictor("causal", answer_prompts)


def _as_json(value: object) -> JsonValue:
    return value  # type: ignore[return-value]


def load_predictor(
    name: str, asking: PredictSettings | None = None, *, revision: str | None = None
) -> Predictor:
    """Load a model and answer by its task: a folder, an embedded name or a hub name.

    A causal model that was trained with a template is asked with it. Raises ModelError.
    """
    from siftset.trainer.inference.load_model import load_trained, wrap_model
    from siftset.trainer.inference.usage_snippets import read_usage

    usage = read_usage(name, revision)
    loaded = load_trained(name, usage.task, revision)
    facts, asking = TASKS[usage.task], asking or PredictSettings()
    model = wrap_model(loaded, usage.task, usage.max_length or facts.max_length)
    asking = replace(asking, template=asking.template or usage.template)
    if usage.chat:
        chat = find_chat_template(loaded.tokenizer, "tokenizer", loaded.name)
        asking = replace(asking, chat=chat)
        model.read_chats(chat)  # type: ignore[attr-defined]
    predictor: Predictor = facts.code.load("predictor")(model, asking)
    return predictor


def read_examples(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the worked examples of a JSON Lines file: pairs, or objects of two texts."""
    pairs = []
    for number, line in read_lines(path):
        read = parse_line(line, f"{path}:{number}")
        values = list(read.values()) if isinstance(read, dict) else read
        if not isinstance(values, list) or len(values) != 2:
            raise RecipeError(
                f"{path}:{number}: expected a question and an answer: a list of two texts, or an "
                "object of two"
            )
        pairs.append((str(values[0]), str(values[1])))
    return tuple(pairs)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def parse_line(line: str, place: str) -> JsonValue:
    """Return what a line of JSON holds; raise SourceError with its place where it is broken."""
    try:
        read: JsonValue = json.loads(line)
    except json.JSONDecodeError as error:
        raise SourceError(f"{place}: broken JSON: {error.msg}") from error
    return read
