"""Plans and tags in a store, so that one machine plans and another one applies."""

from __future__ import annotations

from typing import Final

from siftset.pipeline.storage.plan_folder import (
    DIFF_HTML,
    DIFF_JSON,
    PLAN,
    PLANS,
    find_plans,
    plan_folders,
)
from siftset.pipeline.storage.remote import Listing, Origin, content_digest
from siftset.pipeline.storage.tags import TAGS

_LOOKED_AT: Final = (DIFF_HTML, DIFF_JSON, "report.html", "metrics.json", "manifest.json")
"""What people look at before they apply; the rest is fetched by `apply`."""


def push_plans(origin: Origin, there: Listing) -> None:
    """Upload the plans that wait, and remove those that were applied or removed here."""
    for folder in plan_folders(origin.folder):
        below = f"{PLANS}/{folder.plan_id}"
        said = f"{below}/{PLAN}"
        if said in there:
            continue
        names = [
            path.relative_to(origin.folder).as_posix()
            for path in sorted((origin.folder / below).rglob("*"))
            if path.is_file()
        ]
        origin.send([name for name in names if name != said], there)
        data = (origin.folder / said).read_bytes()
        origin.write(said, data)  # last, so that a plan which is there is whole
        origin.agree(said, data)
    agreed = origin.agreed_digests()
    for said in _list_plans(there):
        if said in agreed and not (origin.folder / said).is_file():
            below = said.removesuffix(PLAN)
            origin.remove([said, *(n for n in there if n.startswith(below) and n != said)])


def pull_plans(origin: Origin, there: Listing) -> None:
    """Fetch what people look at of plans that another machine laid; drop those that are gone."""
    agreed = origin.agreed_digests()
    for said in _list_plans(there):
        if said in agreed or (origin.folder / said).is_file():
            continue
        below = said.removesuffix(PLAN)
        origin.fetch(f"{below}{name}" for name in _LOOKED_AT if f"{below}{name}" in there)
        origin.fetch([said])
        origin.agree(said, (origin.folder / said).read_bytes())
    for folder in plan_folders(origin.folder):
        said = f"{PLANS}/{folder.plan_id}/{PLAN}"
        if said in agreed and said not in there:
            folder.discard()


def pull_tags(origin: Origin, there: Listing) -> None:
    """Fetch the tags, unless they were changed here since both sides agreed."""
    path = origin.folder / TAGS
    here = path.read_bytes() if path.is_file() else None
    if TAGS in there and (
        here is None or content_digest(here) == origin.agreed_digests().get(TAGS)
    ):
        origin.fetch_again([TAGS])
        origin.agree(TAGS, path.read_bytes())


def _list_plans(there: Listing) -> list[str]:
    return [f"{PLANS}/{plan}/{PLAN}" for plan in find_plans(there)]
