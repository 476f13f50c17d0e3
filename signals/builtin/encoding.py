"""Faults of encoding: characters that were lost, garbled or cannot be seen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

Fault = Literal["replacement", "control", "mojibake", "invisible", "private"]

PATTERNS: dict[Fault, str] = {
    "replacement": "\ufffd",
    "control": r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]",
    # UTF-8 read as Latin-1 or Windows-1252: a lead byte and its continuation, as two letters
    "mojibake": (
        "[\u00c2\u00c3\u00c5][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6"
        "\u02dc\u2013-\u2026\u2030\u2039\u203a\u20ac\u2122]|\u00e2\u20ac.|\u00f0\u0178.."
    ),
    "invisible": (
        "[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
        # a zero-width non-joiner belongs after letters that would join the next
        r"|(?:\A|[^\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}"
        r"\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{M}])"
        "\u200c"
    ),
    "private": r"\p{Co}",
}
"""What counts as a fault; a zero-width joiner does not, since emoji and scripts need it, nor does
a non-joiner where Persian and the scripts of India write it."""


class EncodingFaults(Thresholds):
    """Parameters of `encoding_faults`."""

    faults: tuple[Fault, ...] = Field(tuple(PATTERNS), min_length=1)


@family(
    EncodingFaults,
    version=2,
    definition=(
        "Unicode 15: U+FFFD, C0 and C1 controls but tab and line ends, zero-width and "
        "bidirectional controls, private use; "
        "mojibake: UTF-8 lead bytes shown as Latin-1 or Windows-1252"
    ),
    examples=[
        ({"max": 0}, "caf\u00e9 \u201cquoted\u201d", True),
        ({"faults": ["mojibake"]}, "caf\u00c3\u00a9 it\u00e2\u20ac\u2122s", 2.0),
        ({"faults": ["control", "replacement"]}, "a\x00b\ufffd", 2.0),
        ({}, "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", 0.0),
        ({}, "a\u200cb", 1.0),
        ({}, None, None),
    ],
)
def encoding_faults(parameters: EncodingFaults, build: Build) -> Signal:
    """How many encoding faults the text holds."""
    pattern = "|".join(PATTERNS[fault] for fault in parameters.faults)
    return build.expression(lambda text: text.str.count_matches(pattern), returns="score")
