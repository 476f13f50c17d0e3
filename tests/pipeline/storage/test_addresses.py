"""Addresses that cannot work are found before anything is asked of a store."""

from __future__ import annotations

import pytest

from siftset.pipeline.commands.check import check_recipe
from siftset.schemas.errors import SourceError

WRONG = [
    ("s3:/bucket/reviews", "names no bucket, expected s3://BUCKET/NAME"),
    ("gs:bucket", "names no bucket, expected gs://BUCKET/NAME"),
    ("s3://", "names no bucket"),
    ("s3:///reviews", "names no bucket"),
    (
        "s3://key:hush-hush@bucket/reviews",
        r"s3://\*\*\*@bucket/reviews: .* must not hold a password",
    ),
    ("ftp://bucket/reviews", "no store is known by 'ftp://'"),
]


@pytest.mark.parametrize(("address", "said"), WRONG)
@pytest.mark.parametrize("key", ["output", "mirror", "source"])
def test_check_finds_an_address_that_cannot_work(new_world, address, said, key):
    world = new_world()
    world.texts("a", "the first text")
    world.change(**{key: {"files": {"paths": [address]}} if key == "source" else address})
    with pytest.raises(SourceError, match=said) as found:
        check_recipe(world.path())
    assert "hush-hush" not in str(found.value)
