"""Prompts of causal models: text with {column} places, the last of which is the answer."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siftset.schemas.errors import RecipeError

PAIRS: Final = (
    ("question", "answer"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("input", "output"),
    ("prompt", "response"),
    ("prompt", "completion"),
)
"""Columns that are taken for a prompt and its answer where no template is given."""

PLACE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt, its answer, and the columns they need."""

    prompt: str
    answer: str
    ending: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read, the answer's last."""
        return (*dict.fromkeys(PLACE.findall(self.prompt)), self.answer)

    def ask(self, row: Mapping[str, object]) -> str:
        """Return the prompt of a row, without its answer."""
        return PLACE.sub(lambda place: _cell_text(row[place[1]]), self.prompt)

    def reply(self, row: Mapping[str, object]) -> str:
        """Return the answer of a row and what ends it."""
        return _cell_text(row[self.answer]) + self.ending


def _cell_text(value: object) -> str:
    return "" if value is None else str(value)


def find_template(
    columns: Sequence[str], written: str | None, names: Mapping[str, str] | None = None
) -> Template | None:
    """Return the recipe's template, else one for a known pair of columns, else None: plain text.

    `names` says what columns of the source are called here, so that {question} finds the column
    that a recipe maps as its text.
    """
    here = {old: new for old, new in (names or {}).items() if old not in columns}
    known = {*columns, *(old for old, new in here.items() if new in columns)}
    text = written if written is not None else _template_of_pair(known)
    if text is None:
        return None
    stored = PLACE.sub(lambda place: f"{{{here.get(place[1], place[1])}}}", text)
    return parse_template(stored, columns)


def _template_of_pair(columns: Container[str]) -> str | None:
    for prompt, answer in PAIRS:
        if prompt in columns and answer in columns:
            extra = "\n{input}" if prompt == "instruction" and "input" in columns else ""
            return (
                f"{prompt.capitalize()}: {{{prompt}}}{extra}\n{answer.capitalize()}: {{{answer}}}"
            )
    return None


def parse_template(written: str, columns: Sequence[str]) -> Template | None:
    """Split a template at its last place; {text} alone is plain text."""
    places = list(PLACE.finditer(written))
    if not places:
        raise RecipeError(
            f"train.template {written!r} has no place: expected one such as "
            "'Question: {question} Answer: {answer}'"
        )
    unknown = [place[1] for place in places if place[1] not in columns]
    if unknown:
        raise RecipeError(
            f"train.template names the column '{unknown[0]}', which the set does not have: "
            f"expected some of {', '.join(columns)}"
        )
    last = places[-1]
    return Template(written[: last.start()], last[1], written[last.end() :])
