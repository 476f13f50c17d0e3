"""Personal data is found, and what looks like it is not: measured on what a seed draws."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from siftset.signals.builtin.pii import _IBAN_LENGTHS, passes_luhn, pii

SIZE = 2000
WORDS = "the shoes came with a box and she said that it was fine for us".split()


def digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(count))


def email(draw: random.Random) -> str:
    name = draw.choice(["ann", "jo.doe", "a+b", "müller", "x_1", "O-Neil"])
    host = draw.choice(["example", "mail.example", "bücher", "xn--bcher-kva", "пример", "a-b"])
    return f"{name}@{host}.{draw.choice(['org', 'com', 'de', 'рф', 'xn--p1ai', 'museum'])}"


def phone(draw: random.Random) -> str:
    area, last = f"{draw.choice('23456789')}{digits(draw, 2)}", f"{digits(draw, 3)}{1}"
    office = f"{digits(draw, 2)}1"
    return draw.choice([
        f"+1 {area} {office} {last}", f"+1{area}{office}{last}", f"1-{area}-{office}-{last}",
        f"({area}) {office}-{last}", f"{area}-{office}-{last}", f"{area}.{office}.{last}",
        f"+44 20 7946 {digits(draw, 3)}1", f"+49 30 {digits(draw, 7)}1",
        f"+33 {draw.choice('1679')} 12 34 {digits(draw, 1)}5 6{draw.choice('123456789')}",
    ])  # fmt: skip


def ip(draw: random.Random) -> str:
    four = ".".join(str(draw.randrange(256)) for _ in range(4))
    six = ":".join(f"{draw.randrange(1, 65536):x}" for _ in range(8))
    return draw.choice(
        [four, f"{four}:{draw.randrange(1, 65536)}", six, f"fe80::{draw.randrange(4096):x}1", "::1"]
    )


def card(draw: random.Random) -> str:
    while True:
        number = draw.choice("3456") + digits(draw, 15)
        if passes_luhn(number):
            break
    parts = [number[place : place + 4] for place in range(0, 16, 4)]
    return draw.choice(["", " ", "-"]).join(parts)


def iban(draw: random.Random) -> str:
    country = draw.choice(sorted(_IBAN_LENGTHS))
    body = digits(draw, _IBAN_LENGTHS[country] - 4)
    rest = int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    number = f"{country}{98 - rest:02d}{body}"
    parts = [number[place : place + 4] for place in range(0, len(number), 4)]
    written = draw.choice(["", " ", "-"]).join(parts)
    return draw.choice([written, written.lower()])


def no_email(draw: random.Random) -> str:
    return draw.choice(
        [f"me @ {digits(draw, 2)}", "@ann said", "a@b", f"{digits(draw, 3)}@", "x@1.2"]
    )


def no_phone(draw: random.Random) -> str:
    return draw.choice([
        f"+{draw.choice('123456789')}0000000 views", f"+{digits(draw, 3)}",
        f"2024-{digits(draw, 4)}", f"{digits(draw, 4)}.{digits(draw, 2)}",
        f"order {digits(draw, 10)}", f"+1{digits(draw, 7)}",
        f"{digits(draw, 3)}-{digits(draw, 2)}-{digits(draw, 4)}",
    ])  # fmt: skip


def no_ip(draw: random.Random) -> str:
    four = ".".join(str(draw.randrange(20)) for _ in range(4))
    return draw.choice([
        f"version {four}", f"v{four}", f"Section {four}", f"§ {four}", f"release {four}", "a::b",
        f"std::abc{digits(draw, 1)}", f"{four}.{draw.randrange(9)}", "12:30:45", "300.1.2.3",
        f"1.{digits(draw, 2)}.3", "x ? a : b",
    ])  # fmt: skip


def no_card(draw: random.Random) -> str:
    while True:
        number = draw.choice("3456") + digits(draw, 15)
        if not passes_luhn(number):
            return draw.choice([number, f"+{number[:13]}", "0000 0000 0000 0000", number[:12]])


def no_iban(draw: random.Random) -> str:
    return draw.choice([
        f"GB{digits(draw, 2)} WEST", f"AB{digits(draw, 20)}", f"DE{digits(draw, 21)}",
        f"no {digits(draw, 2)} were like this", "at12 this that there over some more words",
    ])  # fmt: skip


KINDS: dict[str, tuple[Callable, Callable, float, float]] = {
    "email": (email, no_email, 1.0, 1.0),
    "phone": (phone, no_phone, 1.0, 1.0),
    "ip": (ip, no_ip, 1.0, 1.0),
    "card": (card, no_card, 1.0, 1.0),
    "iban": (iban, no_iban, 1.0, 1.0),
}
"""What draws an item and what looks like one, and the least recall and precision."""


def measure(kind: str) -> tuple[float, float]:
    """Give recall and precision among as many items as look-alikes."""
    draw = random.Random(kind)
    texts = []
    for made in KINDS[kind][:2]:
        for _ in range(SIZE):
            before, after = (" ".join(draw.choices(WORDS, k=3)) for _ in range(2))
            texts.append(f"{before} {made(draw)} {after}{draw.choice(['', '.', ', ok'])}")
    signal = pii.build("pii", {"items": [kind], "min": 1}, folder=Path.cwd())
    found = signal.decide(pl.DataFrame({"text": texts})).keep
    right, wrong = int(found[:SIZE].sum()), int(found[SIZE:].sum())
    return right / SIZE, right / max(right + wrong, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_items_are_found_and_what_looks_like_one_is_not(kind: str) -> None:
    recall, precision = measure(kind)
    assert recall >= KINDS[kind][2], recall
    assert precision >= KINDS[kind][3], precision


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("+1 212 555 0123", 1), ("1-555-010-0199", 1), ("from 10.0.0.1:8080", 1),
        ("gb82 west 1234 5698 7654 32", 1), ("GB82-WEST-1234-5698-7654-32", 1),
        ("AT61 1904 3002 3457 3201 or so", 1), ("ann@bücher.example", 1), ("Version 1.2.3.4", 0),
        ("1.2.3.4 Overview", 0), ("a::b", 0), ("+10000000 views", 0), ("1.1.1.1", 1),
    ],
)  # fmt: skip
def test_examples_that_were_wrong(text: str, count: int) -> None:
    signal = pii.build("pii", {"min": count, "max": count}, folder=Path.cwd())
    assert signal(text) is True
