"""The readme of the package index: the README, whose links lead to the source tree there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")
IMAGE = re.compile(r"!\[[^\]]*\]\((?!https?://)([^)]+)\)")


def write_absolute_links(text: str, source: str, tag: str) -> str:
    """Return Markdown whose relative links lead to a tag of the repository `source`."""
    text = IMAGE.sub(
        lambda one: one[0].replace(f"({one[1]})", f"({source}/raw/{tag}/{one[1]})"), text
    )
    return LINK.sub(lambda one: f"]({source}/blob/{tag}/{one[1]})", text)


class ReadmeHook(MetadataHookInterface):
    """Sets the readme, which is dynamic for this alone."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme of the project's metadata."""
        text = Path(self.root, "README.md").read_text("utf-8")
        source = metadata["urls"]["Source"]
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": write_absolute_links(text, source, f"v{metadata['version']}"),
        }
