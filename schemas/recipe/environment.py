"""Environment variables in a recipe: "${NAME}" and "${NAME:-default}" inside strings."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from siftset.schemas.errors import RecipeError

if TYPE_CHECKING:
    from pydantic import JsonValue

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

SHORTEST: Final = 8
"""Characters from which a value is taken for one that must not be written: a shorter one, or a
number, stands in too many other places."""
_FILLED: Final[dict[str, str]] = {}
"""The values that recipes of this process took from the environment, with their names."""
_SHORT: Final[dict[str, str]] = {}
"""Those that are short or numbers: hidden where one is a whole part of an address, nowhere else."""
_ADDRESS: Final = re.compile(r"\w+://[^\s\"'<>]+")
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s\"'<>]*:[^/@\s\"'<>]*@")
_BETWEEN: Final = re.compile(r"([/:@?&=#,;]+)")


def hide_values(text: str) -> str:
    """Return a text with the values of environment variables as recipes write them: ${NAME}.

    What stands before the @ of an address as name and password is hidden too, wherever it is from.
    """
    for value in sorted(_FILLED, key=len, reverse=True):
        text = text.replace(value, _FILLED[value])
    return hide_logins(_ADDRESS.sub(_hide_parts, text) if _SHORT and "://" in text else text)


def hide_logins(text: str) -> str:
    """Return a text whose addresses show no name and password."""
    return _LOGIN.sub("***@", text) if "://" in text else text


def _hide_parts(address: re.Match[str]) -> str:
    scheme, _, rest = address[0].partition("://")
    parts = _BETWEEN.split(rest)
    return f"{scheme}://" + "".join(_SHORT.get(part, part) for part in parts)


def hide_in_json(value: JsonValue) -> JsonValue:
    """Return JSON with the values of environment variables hidden in its texts; keys stay."""
    if isinstance(value, str):
        return hide_values(value)
    if isinstance(value, dict):
        return {key: hide_in_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_in_json(item) for item in value]
    return value


def fill_variables(
    content: Mapping[str, JsonValue], *, uses: Collection[str] | None
) -> dict[str, JsonValue]:
    """Return a copy with variables filled in.

    One that is unset and has no default raises RecipeError in the sections of `uses` (None: in
    all); elsewhere the text stays as it is.
    """
    return {
        key: _fill_value(value, key, needed=uses is None or key in uses)
        for key, value in content.items()
    }


def _fill_value(value: JsonValue, place: str, *, needed: bool) -> JsonValue:
    if isinstance(value, str):
        return _fill_text(value, place, needed=needed)
    if isinstance(value, dict):
        return {
            key: _fill_value(item, f"{place}.{key}", needed=needed) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_fill_value(item, f"{place}.{i}", needed=needed) for i, item in enumerate(value)]
    return value


def _fill_text(text: str, place: str, *, needed: bool) -> str:
    def fill(found: re.Match[str]) -> str:
        name, default = found.groups()
        value = os.environ.get(name) or default
        if value is not None:
            if value != default and value:
                is_telling = len(value) >= SHORTEST and not value.isdigit()
                (_FILLED if is_telling else _SHORT)[value] = f"${{{name}}}"
            return value
        if name in os.environ or not needed:
            return "" if name in os.environ else found[0]
        raise RecipeError(
            f"{place}: the environment variable {name} is not set; "
            f"set it, or write ${{{name}:-default}}"
        )

    return VARIABLE.sub(fill, text)
