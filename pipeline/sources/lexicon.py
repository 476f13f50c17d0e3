"""Lexicons: the templates and word lists that sentences are made from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PositiveFloat, ValidationError

from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.documents import parse_document
from siftset.schemas.recipe.section import Section

SLOT: Final = re.compile(r"\{(\w+)\}")
ADJECTIVE: Final = "adjective"


Weights = Annotated[
    dict[str, PositiveFloat],
    BeforeValidator(lambda v: dict.fromkeys(map(str, v), 1.0) if isinstance(v, list) else v),
    Field(min_length=1),
]
"""Entries and how likely each is beside the others."""


class Adjectives(Section):
    """What fills the adjective of a sentence, by its label."""

    positive: Weights
    negative: Weights


class LexiconFile(Section):
    """The content of a lexicon file."""

    templates: Weights
    lists: dict[str, Weights]
    adjectives: Adjectives


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A lexicon and the hash of its file."""

    name: str
    templates: dict[str, float]
    lists: dict[str, dict[str, float]]
    positive: dict[str, float]
    negative: dict[str, float]
    digest: str


def load_lexicon(name_or_path: str, folder: Path) -> Lexicon:
    """Load a shipped lexicon by name, or one by path (it has a slash or an ending)."""
    path = _find_lexicon(name_or_path, folder)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"lexicon {path}: cannot be read as UTF-8 text: {error}") from None
    try:
        content = LexiconFile.model_validate(parse_document(text, path).content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SourceError(f"lexicon {path}: {place}: {first['msg']}") from None
    except RecipeError as error:
        raise SourceError(f"lexicon {str(error).removeprefix('recipe ')}") from None
    for template in content.templates:
        slots = SLOT.findall(template)
        unknown = [slot for slot in slots if slot not in content.lists and slot != ADJECTIVE]
        if unknown:
            raise SourceError(
                f"lexicon {path}: template '{template}' has the slot {{{unknown[0]}}}; "
                f"expected one of {', '.join([*content.lists, ADJECTIVE])}"
            )
        if ADJECTIVE not in slots:
            raise SourceError(
                f"lexicon {path}: template '{template}' has no {{{ADJECTIVE}}}, "
                "which its label comes from"
            )
    digest = hashlib.sha256(text.encode()).hexdigest()
    positive, negative = content.adjectives.positive, content.adjectives.negative
    return Lexicon(name_or_path, content.templates, content.lists, positive, negative, digest)


def _find_lexicon(name_or_path: str, folder: Path) -> Path:
    if "/" in name_or_path or Path(name_or_path).suffix:
        return folder / Path(name_or_path).expanduser()
    shipped = resources.files("siftset.data").joinpath("lexicons")
    names = sorted(e.name.removesuffix(".yaml") for e in shipped.iterdir() if e.name[0] != "_")
    if name_or_path not in names:
        raise SourceError(
            f"lexicon '{name_or_path}': no shipped lexicon has this name; expected one of "
            f"{', '.join(names)}, or a path such as ./{name_or_path}.yaml"
        )
    return Path(str(shipped.joinpath(f"{name_or_path}.yaml")))
