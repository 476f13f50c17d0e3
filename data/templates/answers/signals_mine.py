"""Signals of your own. Check them with  siftset signals test signals_mine.py"""

from siftset import signal


@signal(
    examples=[
        ({"question": "What is tea?", "text": "What is tea?"}, True),
        ({"question": "What is tea?", "text": "A drink made of leaves."}, False),
        ({"question": None, "text": "A drink."}, None),
    ]
)
def echo(question: str, text: str) -> bool:
    """The answer only says the question again; the arguments are columns, `text` the answer."""
    return text.casefold().strip(" ?.!") == question.casefold().strip(" ?.!")
