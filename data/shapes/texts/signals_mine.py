"""Signals of your own. Check them with  siftset signals test signals_mine.py"""

from siftset import signal


@signal(examples=[("So be it", True), ("2024-02-29 | 17", False), ("", False), (None, None)])
def has_letters(text: str) -> bool:
    """The text has more letters than other signs."""
    signs = [char for char in text if not char.isspace()]
    return sum(char.isalpha() for char in signs) * 2 > len(signs)
