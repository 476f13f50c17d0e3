"""The environment: what is installed, what is missing, where the caches are."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.storage.run_folder import software_versions
from siftset.schemas.cache import cache_folder
from siftset.schemas.progress import Progress

EXTRAS: Final = {
    "fast": "numba",
    "gate": "great_expectations",
    "excel": "fastexcel",
    "hub": "datasets",
    "language": "py3langid",
    "train": "transformers",
    "search": "optuna",
    "review": "openTSNE",
    "onnx": "onnxscript",
    "mcp": "mcp",
    "ray": "ray",
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
}
"""A module of each extra that tells whether it is installed."""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found."""

    python: str
    platform: str
    cores: int
    software: dict[str, str]
    extras: dict[str, bool]
    cache: str
    free_bytes: int
    model: str
    kernels: dict[str, bool]
    """What is compiled for this processor already."""

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        yield f"python    {self.python} on {self.platform}, {self.cores} cores"
        for name, version in self.software.items():
            yield f"  {name:<20}{version}"
        for name, there in self.extras.items():
            how = "installed" if there else f'missing: pip install "siftset[{name}]"'
            yield f"extra     {name:<10}{how}"
        yield f"cache     {self.cache}  ({self.free_bytes / 2**30:,.1f} GiB free)"
        yield f"model     minilm: {self.model}"
        for use, there in self.kernels.items():
            how = "compiled" if there else "by the first run large enough: siftset doctor --compile"
            yield f"kernel    {use}: {how}"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {
            "python": self.python,
            "platform": self.platform,
            "cores": self.cores,
            "software": dict(self.software),
            "extras": dict(self.extras),
            "cache": self.cache,
            "free_bytes": self.free_bytes,
            "model": self.model,
            "kernels": dict(self.kernels),
        }


def examine_environment() -> Health:
    """Look at the environment; imports nothing heavy and touches no network."""
    from siftset.signals.warm_up import compiled_kernels
    from siftset.trainer.models.embedded import embedded_folder, is_fetched

    cache = cache_folder()
    there = next(p for p in (cache, *cache.parents) if p.exists())
    affinity = getattr(os, "sched_getaffinity", None)
    found = dict(software_versions())
    for name in ("torch", "transformers", "datasets", "great-expectations"):
        if find_spec(name.replace("-", "_")) is not None:
            found[name] = metadata.version(name)
    return Health(
        python=platform.python_version(),
        platform=sys.platform,
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        software=found,
        extras={extra: find_spec(module) is not None for extra, module in EXTRAS.items()},
        cache=str(cache),
        free_bytes=shutil.disk_usage(there).free,
        model=str(embedded_folder()) if is_fetched() else "not fetched: siftset doctor --fetch",
        kernels=compiled_kernels(),
    )


def fetch_model(progress: Progress) -> str:
    """Fetch the embedded model unless it is there, verify it, and return its folder."""
    from siftset.trainer.models.embedded import fetch_embedded

    return str(fetch_embedded(progress))
