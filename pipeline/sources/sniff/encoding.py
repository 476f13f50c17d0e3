"""In which encoding a text file is, from its first bytes."""

from __future__ import annotations

import codecs
import re
from typing import Final, NamedTuple

from siftset.pipeline.sources.formats.encodings import describe_undecodable
from siftset.pipeline.sources.sniff.confidence import Confidence
from siftset.schemas.plurals import format_count

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH_RUNS: Final = re.compile(rb"[\x80-\xff]+")


class EncodingGuess(NamedTuple):
    """An encoding, and what speaks for it."""

    name: str
    confidence: Confidence
    reason: str = ""


def sniff_encoding(start: bytes) -> EncodingGuess:
    """Tell the encoding of a file from how it begins; UTF-8 wherever the bytes allow it."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return EncodingGuess(name, "certain", f"it begins with the byte order mark of {name}")
    zeros = start[:4096].count(0)
    if zeros > len(start[:4096]) // 4:
        # the zeros are the upper halves of ASCII
        name = "utf-16-le" if start[1:4096:2].count(0) > start[0:4096:2].count(0) else "utf-16-be"
        return EncodingGuess(name, "likely", "every other byte is 0")
    said = describe_undecodable(start, "utf-8")
    if not said:
        return EncodingGuess("utf-8", "certain")
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(start)
    wrong = text.count("\ufffd")
    if sum(ord(char) > 127 for char in text) - wrong > 20 * wrong:
        return EncodingGuess("utf-8", "likely", f"UTF-8 but for {format_count(wrong, 'byte')}")
    runs = [len(run) for run in _HIGH_RUNS.findall(start)]
    # letters above ASCII stand alone in Western words; other scripts are made of them
    long = sum(run for run in runs if run > 2) > sum(runs) * 0.6
    for name in ("cp1251", "cp1252", "latin-1") if long else ("cp1252", "latin-1"):
        shown = _show_line(start, name)
        if shown is not None:
            found = said.split(":", 1)[0]
            return EncodingGuess(name, "guess", f"{found}; {name} reads it as  {shown}")
    raise AssertionError("latin-1 decodes every byte")


def _show_line(start: bytes, name: str) -> str | None:
    """Return the words around the first byte that is not UTF-8; None where the codec knows none."""
    try:
        start.decode(name)
    except UnicodeDecodeError:
        return None
    return describe_undecodable(start, "utf-8", name).rpartition("reads it as ")[2].strip("'")
