"""Votes of line 1: names against records."""

from __future__ import annotations

import pytest

from siftset.pipeline.sources.sniff.header import count_header_votes, is_date, is_number

HEADERS = [
    (["id", "text"], [["1", "a long text"], ["2", "another one"]]),
    (["0", "1", "2"], [["5", "6", "7"]]),
    (["", "0", "1"], [["0", "a", "b"], ["1", "c", "d"]]),
    (["land", "2001", "2002"], [["fr", "3", "4"], ["de", "5", "6"]]),
    (["colour", "size"], [["blue", "1"], ["red", "2"]]),
    (["when", "what"], [["2024-01-01", "x"], ["2024-01-02", "y"]]),
    (["id", "label"], [["id", "label"], ["a", "b"]]),
    (["text"], [["text"], ["another"]]),
]
RECORDS = [
    (["2401", "Kite"], [["2402", "Kite"], ["2403", "Drum"]]),
    (["2024-01-01", "so"], [["2024-01-02", "no"]]),
    (["a", "Kite"], [["b", "Kite"], ["c", "Drum"]]),
    (["1.5", "So glad, it flies high!"], [["2.5", "It tore."]]),
]


@pytest.mark.parametrize(("first", "rows"), HEADERS)
def test_names_above_values_are_a_header(first, rows):
    assert count_header_votes(first, rows).is_header


@pytest.mark.parametrize(("first", "rows"), RECORDS)
def test_one_more_record_is_none(first, rows):
    votes = count_header_votes(first, rows)
    assert not votes.is_header
    assert votes.reasons()


@pytest.mark.parametrize("text", ["1", "-2.5", "9,99", "1.234.567,8", "1e-5", "12%", "1 000"])
def test_numbers_as_people_and_programs_write_them(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "-", "a1", "1a", "1.2.3.4", "2024-01-01", "+"])
def test_other_texts_are_no_numbers(text):
    assert not is_number(text)


def test_dates_begin_with_a_day():
    assert is_date("2024-02-29")
    assert is_date("29.2.2024 10:00")
    assert is_date("2024-02-29T10:00:00Z")
    assert not is_date("2024")
    assert not is_date("on 2024-02-29")
