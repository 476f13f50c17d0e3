from __future__ import annotations

import polars as pl
import pytest

from siftset.pipeline.profile.texts import count_peculiarities, count_scripts

CASES = [
    ("replacement", "caf\ufffd"),
    ("mojibake", "caf\u00c3\u00a9"),
    ("mojibake", "it\u00e2\u20ac\u2122s"),
    ("mojibake", "\u00ef\u00bb\u00bfid"),
    ("control", "a\x07b"),
    ("control", "a\x85b"),
    ("not_nfc", "cafe\u0301"),
    ("zero_width", "a\u200bb"),
    ("zero_width", "a\u202eb"),
    ("html", "<br/>"),
    ("html", "Tom &amp; Jerry"),
    ("html", '<a href="x">'),
    ("url", "see HTTPS://example.org/x"),
    ("email", "write to jo.doe+x@example.co.uk today"),
    ("phone", "call +44 20 7946 0958"),
    ("phone", "(212) 555-0187"),
]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_each_peculiarity_is_found_alone(kind: str, text: str) -> None:
    found = count_peculiarities(pl.Series([text, "a plain text"]))
    assert {name for name, number in found.items() if number} == {kind}


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9",
        "N\u00c3O \u00c2ngela",
        "a < b and b > c",
        "AT&T",
        "tab\tand\nline",
        "x@y",
        "1234567",
        "2019-10-12",
        "na\u00efve \u2019quoted\u2019",
        "\u0645\u06cc\u200c\u0634\u0648\u062f",
        "5.5-6.25 EUR",
    ],
)
def test_ordinary_text_is_not_accused(text: str) -> None:
    assert not any(count_peculiarities(pl.Series([text])).values())


def test_planted_mojibake_in_real_text_is_counted_exactly(corpora) -> None:
    texts = pl.read_parquet(corpora / "pros_cons.parquet")["text"]
    before = count_peculiarities(texts)["mojibake"]
    broken = pl.Series(["Stra\u00dfe f\u00fcr \u20ac5".encode().decode("cp1252")] * 37)
    assert count_peculiarities(texts.append(broken))["mojibake"] == before + 37


def test_scripts_count_texts_that_hold_a_letter_of_each() -> None:
    texts = [
        "abc",
        "123",
        "\u043f\u0440\u0438\u0432\u0435\u0442 abc",
        "\u65e5\u672c\u306e",
        "caf\u00e9 \U0001f600",
        "\u10d0\u10d1",
        "",
    ]
    found = count_scripts(pl.Series(texts))
    assert found == {
        "Latin": 3,
        "no letter": 2,
        "Cyrillic": 1,
        "Han": 1,
        "Kana": 1,
        "emoji": 1,
        "other": 1,
    }


@pytest.mark.parametrize(
    ("text", "held"),
    [("a \u2122 \u00a9", 0), ("a \u263a", 0), ("a \u263a\ufe0f", 1), ("a \U0001f600", 1)],
)
def test_a_sign_of_plain_text_is_no_emoji(text: str, held: int) -> None:
    assert count_scripts(pl.Series([text])).get("emoji", 0) == held
