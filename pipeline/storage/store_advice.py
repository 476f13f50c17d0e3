"""What to do about an error of a store, by its kind."""

from __future__ import annotations

import errno
from typing import Final

_KINDS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("permanentredirect", "moved permanently", "301", "authorizationheadermalformed",
         "must be addressed using", "location constraint"),
        "the bucket lies in another region or at another address: set AWS_REGION to its region",
    ),
    (
        ("credential", "accesskey", "access key", "signature", "expiredtoken", "token", "403",
         "401", "forbidden", "access denied", "accessdenied", "permission"),
        "the keys are missing, wrong or not allowed to do this: check the keys in the environment "
        "and what they may do with the bucket",
    ),
    (
        ("nosuchbucket", "nosuchkey", "404", "not found", "no such", "does not exist"),
        "there is no such bucket or object: check the address",
    ),
    (
        ("slowdown", "slow down", "reduce your request rate", "503", "500", "429", "throttl",
         "internalerror", "internal error", "serviceunavailable", "service unavailable", "timeout",
         "timed out"),
        "the store is busy or slow to answer: run again later, what was sent is not sent again",
    ),
    (
        ("payload", "incompleteread", "incomplete read", "reset", "closed", "disconnected",
         "broken pipe", "cut"),
        "the connection was cut off: run again, what was sent is not sent again",
    ),
)  # fmt: skip
"""Words of errors, lowered, and what to do; the first kind that fits counts."""
_TYPES: Final = (
    (PermissionError, 1),
    (FileNotFoundError, 2),
    (TimeoutError, 3),
    (ConnectionResetError, 4),
    (BrokenPipeError, 4),
)


_BUSY: Final = {errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO)}
"""What s3fs makes of SlowDown, of ServiceUnavailable and of InternalError."""


def advise_on(error: BaseException) -> str:
    """Say what to do about an error of a store: keys, region, absence, business, a cut."""
    said = f"{type(error).__name__} {error}".lower()
    for words, advice in _KINDS[:1]:  # a wrong region comes as any type
        if any(word in said for word in words):
            return advice
    if isinstance(error, OSError) and error.errno in _BUSY:
        return _KINDS[3][1]
    for kind, number in _TYPES:
        if isinstance(error, kind):
            return _KINDS[number][1]
    for words, advice in _KINDS:
        if any(word in said for word in words):
            return advice
    return "check the address and the environment (AWS_ENDPOINT_URL, AWS_REGION, keys)"
