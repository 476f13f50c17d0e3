import polars as pl
import pytest

from siftset.pipeline.profile.texts import ANYWHERE, count_peculiarities
from siftset.pipeline.profile.vocabulary import count_words_each

TEXTS = pl.Series(
    ["", "a", "a b", " lead and trail ", "snake_case x2", "", "caf\u00e9 \u4f60\u597d", "end.", ""]
)


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:2], TEXTS[5:8], TEXTS[:1], TEXTS[6:7]])
def test_words_of_each_text_are_those_that_a_pattern_finds(texts):
    expected = texts.str.count_matches(r"\w+").to_list()
    assert sorted(count_words_each(texts).to_list()) == sorted(expected)


def test_a_peculiarity_is_counted_where_its_pattern_is_met():
    texts = pl.Series(
        ["+49 30 1234567", "555-123-4567", "(555) 123 4567", "00 49 301234567", "12345678", "a\x01",
         "x 1-2-3-4-5-6-7-8", "+1 2 3 4 5 6 7 8", "\u0085", "caf\u00e9 +493012345678"]
    )  # fmt: skip
    found = count_peculiarities(texts)
    assert {name: found[name] for name in ANYWHERE} == {
        name: texts.str.contains(pattern).sum() for name, pattern in ANYWHERE.items()
    }
