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

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})(?!\w)"
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}"
    r"|(?:1[ .-])?(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}))(?![\w-])"
)
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?=:\d{1,5}(?![\w:])|(?![\w:]|\.\d))"
    r"|[0-9A-Fa-f:]{1,39}:[0-9A-Fa-f:.]{1,39}(?![\w:]))"
)
_NUMBERED = re.compile(
    r"(?i)(?:\b(?:version|ver|v|release|section|chapter|rule|no|build)\.?|§)\s?$"
)
_CARD = re.compile(r"(?<![\d.+-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(
    r"(?i)(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)"
)
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28"
        " EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23"
        " IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31"
        " MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 TN24"
        " TR26 UA29 VA22 VG24 XK20",
    )
}


def passes_luhn(number: str) -> bool:
    """Check a card number's digit sum (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def passes_mod_97(number: str) -> bool:
    """Check an account number's length and remainder (ISO 13616-1); what follows it is ignored."""
    length = _IBAN_LENGTHS.get(number[:2].upper(), 99)
    begun = re.match(rf"(?:\w[ -]?){{{length - 1}}}\w(?!\w)", number)
    if begun is None:
        return False
    plain = re.sub(r"[ -]", "", begun[0]).upper()
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def is_phone(number: str) -> bool:
    """Check a phone number: +1 has ten digits more, and nobody has a number as round as a count."""
    digits = re.sub(r"\D", "", number)
    if not number.startswith("+"):
        return True
    american = len(digits) == 11 and digits[1] in "23456789"
    return not digits.endswith("00000") and (american or not digits.startswith("1"))


def is_address(found: re.Match[str]) -> bool:
    """Check an IP address of either version; versions and numbers of sections look like one."""
    text = found[0].rstrip(".")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6:  # `a::b` is rather a name in a program
        return text.count(":") > 2 or any(character.isdigit() for character in text)
    start, end = found.span()
    line = found.string[max(start - 20, 0) : start]
    heads = not line.strip() or line.endswith("\n")
    small = all(int(part) < 30 for part in text.split("."))
    heading = heads and small and re.match(r" [A-Z]", found.string[end : end + 2])
    return not (_NUMBERED.search(line) or heading)


FINDERS: dict[Item, tuple[re.Pattern[str], Callable[[re.Match[str]], bool]]] = {
    "email": (_EMAIL, lambda found: True),
    "phone": (_PHONE, lambda found: is_phone(found[0])),
    "ip": (_IP, is_address),
    "card": (_CARD, lambda found: passes_luhn(found[0])),
    "iban": (_IBAN, lambda found: passes_mod_97(found[0])),
}
"""Pattern and check of each item; patterns are bounded, so that no text is slow."""

_HINT = re.compile(r"@|\d.*\d.*\d|:.*:", re.DOTALL)


class Pii(Thresholds):
    """Parameters of `pii`."""

    items: tuple[Item, ...] = Field(tuple(FINDERS), min_length=1, description="What is counted.")


@family(
    Pii,
    version=2,
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
        return float(sum(check(m) for pattern, check in finders for m in pattern.finditer(text)))

    return build.row(count_items, returns="score")
