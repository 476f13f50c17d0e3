"""Personal data: e-mail, phone, IP and card numbers, bank accounts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

Item = Literal["email", "phone", "ip", "card", "iban"]

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?![\w-])"
)
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]{1,39}:[0-9A-Fa-f:.]{1,39})(?![\w:])"
)
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")


def passes_luhn(number: str) -> bool:
    """Check a card number's digit sum (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def passes_mod_97(number: str) -> bool:
    """Check an account number's remainder (ISO 13616-1)."""
    plain = number.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def is_address(text: str) -> bool:
    """Check an IP address of either version."""
    try:
        ipaddress.ip_address(text.rstrip("."))
    except ValueError:
        return False
    return True


FINDERS: dict[Item, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (_EMAIL, lambda found: True),
    "phone": (_PHONE, lambda found: not passes_luhn(found) or len(found) < 13),
    "ip": (_IP, is_address),
    "card": (_CARD, passes_luhn),
    "iban": (_IBAN, passes_mod_97),
}
"""Pattern and check of each item; patterns are bounded, so that no text is slow."""

_HINT = re.compile(r"@|\d.*\d.*\d|:.*:", re.DOTALL)


class Pii(Thresholds):
    """Parameters of `pii`."""

    items: tuple[Item, ...] = Field(tuple(FINDERS), min_length=1, description="What is counted.")


@family(
    Pii,
    definition=(
        "e-mail: RFC 5322 addr-spec without comments and quotes; phone: E.164 with + or North "
        "American; ip: RFC 791, RFC 4291; card: ISO/IEC 7812 with Luhn; iban: ISO 13616 mod 97"
    ),
    examples=[
        ({"max": 0}, "Nice shoes, size 42.", True),
        ({}, "write to ann@example.org", 1.0),
        ({"items": ["card"]}, "4111 1111 1111 1111 and 4111 1111 1111 1112", 1.0),
        ({"items": ["iban"]}, "GB82 WEST 1234 5698 7654 32", 1.0),
        ({"items": ["ip"]}, "from 192.168.0.1 and ::1, not 1.2.3.400", 2.0),
        ({"items": ["phone"]}, "call +44 20 7946 0958", 1.0),
        ({}, None, None),
    ],
)
def pii(parameters: Pii, build: Build) -> Signal:
    """How many items of personal data the text holds; `max: 0` asks for none."""
    finders = [FINDERS[item] for item in parameters.items]

    def count_items(text: str) -> float:
        if not _HINT.search(text):
            return 0.0
        return float(sum(check(m[0]) for pattern, check in finders for m in pattern.finditer(text)))

    return build.row(count_items, returns="score")
