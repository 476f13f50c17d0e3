"""Errors that another process wrote down keep their class, and with it the exit code."""

from __future__ import annotations

import pytest

from siftset.schemas import errors


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Locked", errors.Locked),
        ("MissingExtraError", errors.MissingExtraError),
        ("SiftsetError", errors.SiftsetError),
        ("ClassVar", errors.SiftsetError),
        ("nothing", errors.SiftsetError),
    ],
)
def test_an_error_comes_back_as_what_it_was(kind, expected):
    found = errors.error_named(kind, "what it said")
    assert type(found) is expected
    assert str(found) == "what it said"
