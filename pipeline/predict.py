"""What a model says of texts, by its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

LATEST: Final = "latest"


@dataclass(frozen=True, slots=True)
class Answers:
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


def predict_texts(model: str, texts: Sequence[str], *, top_k: int = 5) -> Answers:
    """Ask a model by its task.

    `model` is a folder, an embedded name or a hub name; `OUTPUT/models/latest` is the model of that
    output folder that was trained last.
    """
    from trainer.predict import Asking, load_predictor
    from trainer.run import require_extra

    require_extra()
    predictor = load_predictor(_named(model), Asking(top_k=top_k))
    return Answers(predictor.task, predictor(texts))


def _named(model: str) -> str:
    path = Path(model).expanduser()
    if path.name != LATEST or path.exists() or not path.parent.is_dir():
        return model
    from pipeline.train import latest_of

    return str(latest_of(path.parent))


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
