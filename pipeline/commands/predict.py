"""What a model says of texts, by its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from siftset.pipeline.model_registry.registry import locate_model

if TYPE_CHECKING:
    from siftset.trainer.inference.predict import Predictor
    from siftset.trainer.inference.protocols import Encoder


@dataclass(frozen=True, slots=True)
class TextAnswers:
    """What a model says of texts."""

    task: str
    answers: list[dict[str, JsonValue]]

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to read."""
        for answer in self.answers:
            yield str(answer.get("text"))
            yield from (f"  {line}" for line in _answer_lines(answer))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {"task": self.task, "answers": [dict(answer) for answer in self.answers]}


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How a model is asked."""

    top_k: int = 5
    max_new_tokens: int = 64
    examples: Path | None = None
    """Worked examples (JSON Lines) that are set before every prompt of a causal model."""
    column: str = "text"


def predict_texts(
    model: str | Path,
    texts: Sequence[str],
    *,
    top_k: int = 5,
    max_new_tokens: int = 64,
    examples: Path | None = None,
) -> TextAnswers:
    """Ask a model by its task: fill every mask, give the probability of classes, or answer.

    `model` is a folder, an embedded name or a hub name; `OUTPUT/models/latest` is the model of that
    output folder that was trained last. `examples` are worked examples (JSON Lines) that are set
    before every prompt of a causal model. Raises ModelError.
    """
    options = PredictOptions(top_k, max_new_tokens, examples)
    predictor = _load_predictor(str(model), options)
    return TextAnswers(predictor.task, predictor(texts))


def predict_lines(
    model: str, source: Path, target: Path, options: PredictOptions
) -> dict[str, JsonValue]:
    """Answer a CSV, Parquet or JSON Lines file row by row into another, each by its ending.

    Other fields are kept; an answer whose name a field has is called predicted_<name>.
    """
    from siftset.trainer.inference.predict_file import check_endings, predict_file

    check_endings(source, target)
    predictor = _load_predictor(model, options)
    rows = predict_file(predictor, source, target, column=options.column)
    return {"task": predictor.task, "rows": rows, "out": str(target)}


def embed_rows(
    model: str, source: Path, target: Path, options: PredictOptions
) -> dict[str, JsonValue]:
    """Write the vector of every text of a Parquet, CSV or JSON Lines file to a Parquet file.

    The model `static` needs no torch.
    """
    from siftset.schemas.errors import SourceError
    from siftset.signals.static_vectors.model import NAME, load_static
    from siftset.trainer.comparison.questions import read_rows
    from siftset.trainer.inference.embeddings import load_encoder, write_embeddings
    from siftset.trainer.train import require_extra

    if model != NAME:
        require_extra()
    frame = read_rows(source, "predict --embeddings")
    if options.column not in frame.columns:
        found = ", ".join(frame.columns)
        raise SourceError(f"{source} has no column '{options.column}', expected one of: {found}")
    encoder: Encoder = load_static() if model == NAME else load_encoder(locate_model(model))
    rows = write_embeddings(encoder, [frame], target, column=options.column)
    return {"rows": rows, "out": str(target)}


def _load_predictor(model: str, options: PredictOptions) -> Predictor:
    from siftset.trainer.inference.predict import PredictSettings, load_predictor, read_examples
    from siftset.trainer.train import require_extra

    require_extra()
    examples = read_examples(options.examples) if options.examples is not None else ()
    return load_predictor(
        locate_model(model), PredictSettings(options.top_k, options.max_new_tokens, examples)
    )


def _answer_lines(answer: Mapping[str, JsonValue]) -> Iterator[str]:
    if "answer" in answer:
        yield str(answer["answer"])
    probabilities = answer.get("probabilities")
    if isinstance(probabilities, dict):
        ranked = sorted(probabilities.items(), key=lambda pair: -float(str(pair[1])))
        yield from (f"{label:<20}{float(str(p)):.3f}" for label, p in ranked)
    for number, mask in enumerate(_list(answer.get("masks")), 1):
        yield f"mask {number}"
        for token in _list(mask):
            if isinstance(token, dict):
                yield f"  {token.get('token')!s:<18}{float(str(token.get('probability'))):.3f}"


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
