"""Signals of your own. Check them with  siftset signals test signals_mine.py"""

from siftset import signal


@signal(examples=[("I love it", True), ("Great sound", False), ("", False), (None, None)])
def first_person(text: str) -> bool:
    """The writer speaks of their own experience."""
    words = text.casefold().split()
    return any(word in ("i", "i'm", "i've", "my", "we", "our") for word in words)
