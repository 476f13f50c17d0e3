"""The current model, here and in the store.

A promotion holds against the model that was current when it was judged. Where another machine made
another model current meanwhile, that one stays.
"""

from __future__ import annotations

from typing import Final

from siftset.pipeline.model_registry import registry
from siftset.pipeline.model_registry.registry import MODELS, point_current
from siftset.pipeline.storage.remote import Listing, Origin, content_digest
from siftset.schemas.errors import OutputError

CURRENT: Final = f"{MODELS}/{registry.CURRENT}"
PROMOTIONS: Final = f"{MODELS}/{registry.PROMOTIONS}"


def pull_current(origin: Origin, there: Listing, finished: set[str]) -> None:
    """Fetch the model that is current in the store, and point at it, unless it was changed here."""
    here = _read_link(origin)
    if CURRENT not in there or (
        here is not None and content_digest(here) != origin.agreed_digests().get(CURRENT)
    ):
        return
    theirs = origin.read(CURRENT)
    if theirs.decode() in finished:
        _pull_model(origin, there, theirs)


def push_current(origin: Origin, there: Listing) -> None:
    """Write which model is current; raise OutputError where another machine promoted meanwhile."""
    here = _read_link(origin)
    theirs = origin.read(CURRENT) if CURRENT in there else None
    if here is None or here == theirs:
        return
    if theirs is not None and content_digest(theirs) != origin.agreed_digests().get(CURRENT):
        _pull_model(origin, there, theirs)
        raise OutputError(
            f"{origin.address}/{CURRENT} is {theirs.decode()}, which another machine promoted "
            f"meanwhile: {here.decode()} is in the store and was not promoted; compare them"
        )
    promotions = (origin.folder / PROMOTIONS).read_bytes()
    origin.write(PROMOTIONS, promotions)
    origin.agree(PROMOTIONS, promotions)
    origin.write(CURRENT, here)
    origin.agree(CURRENT, here)


def _pull_model(origin: Origin, there: Listing, theirs: bytes) -> None:
    place = f"{MODELS}/{theirs.decode()}/"
    origin.fetch(name for name in there if name.startswith(place))
    if PROMOTIONS in there:
        origin.fetch_again([PROMOTIONS])
        origin.agree(PROMOTIONS, (origin.folder / PROMOTIONS).read_bytes())
    point_current(origin.folder / MODELS, theirs.decode())
    origin.agree(CURRENT, theirs)


def _read_link(origin: Origin) -> bytes | None:
    link = origin.folder / CURRENT
    return str(link.readlink()).encode() if link.is_symlink() else None
