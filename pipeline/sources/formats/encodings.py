"""Text in other encodings than UTF-8, decoded block by block; what a wrong encoding looks like.

Readers see UTF-8 alone. A byte that its encoding does not know becomes 0xFF, which no UTF-8 holds,
so that its record is unreadable and no other.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final

_MARK: Final = "siftset-undecodable"
_PLAIN: Final = ("utf-8", "utf-8-sig")
_WORDS: Final = re.compile(r"[\w '\u2019]+")
_SHOWN: Final = 40


def _mark_undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    # a decoder may also hand over half a surrogate pair, which only the encoder finds
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    assert isinstance(error, UnicodeEncodeError)
    return b"\xff", error.end


codecs.register_error(_MARK, _mark_undecodable)


def is_utf8(encoding: str) -> bool:
    """Tell whether text of an encoding is read as it stands."""
    return codecs.lookup(encoding).name in _PLAIN


def undecodable_reason(encoding: str) -> str:
    """Return why a record that its encoding does not explain is unreadable."""
    return f"not valid {_title(encoding)}"


def to_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text of another encoding as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(_MARK)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", _MARK)
    yield decoder.decode(b"", final=True).encode("utf-8", _MARK)


def describe_undecodable(start: bytes, encoding: str, other: str | None = None) -> str:
    """Say which byte at the start of a file is not of its encoding, and what another makes of it.

    Returns nothing where every byte is. The other one is cp1252 unless it is given.
    """
    try:
        codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError as error:
        at = error.start
    else:
        return ""
    line = start.count(b"\n", 0, at) + 1
    found = f"not {_title(encoding)} (byte 0x{start[at]:02X} in line {line})"
    if other is None:
        other = "latin-1" if codecs.lookup(encoding).name == "cp1252" else "cp1252"
    begin = start.rfind(b"\n", 0, at) + 1
    end = start.find(b"\n", at)
    before = start[max(begin, at - 4 * _SHOWN) : at]
    after = start[at : min(end if end >= 0 else len(start), at + 4 * _SHOWN)]
    try:
        text, place = (before + after).decode(other), len(before)
    except UnicodeDecodeError:
        return f"{found}: set source.files.encoding to what the file was written in"
    words = next((m for m in _WORDS.finditer(text) if m.start() <= place < m.end()), None)
    shown = words[0] if words else text[max(0, place - _SHOWN // 2) : place + _SHOWN // 2]
    shown = " ".join(shown.split())[:_SHOWN]
    return f"{found}: set source.files.encoding, such as {other}, which reads it as '{shown}'"


def _title(encoding: str) -> str:
    return "UTF-8" if is_utf8(encoding) else encoding
