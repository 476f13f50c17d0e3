"""How the libraries of stores are set up: by the environment alone, in names that Delta reads."""

from __future__ import annotations

import os
from typing import Final

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0
"""Seconds without a byte after which a request to S3 is given up."""
ATTEMPTS: Final = 3
"""Times that one is made before that is an error; AWS_MAX_ATTEMPTS says otherwise."""
ROUNDS: Final = 2
"""Times that s3fs makes those attempts: six minutes in all for a request without an answer."""


def store_settings(kind: str) -> dict[str, object]:
    """Return what the store's library does not read from the environment by itself."""
    if kind == "s3":
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return {
            "anon": _is_set("AWS_SKIP_SIGNATURE"),
            "endpoint_url": os.environ.get("AWS_ENDPOINT_URL"),
            "client_kwargs": {"region_name": region} if region else {},
            # One that hangs is given up and asked again; s3fs and botocore each would wait longer.
            "config_kwargs": {
                "connect_timeout": CONNECT_TIMEOUT,
                "read_timeout": READ_TIMEOUT,
                "retries": {"mode": "standard", "max_attempts": _max_attempts()},
            },
        }
    if kind == "az":
        # the address of a store of one's own, which Delta reads as AZURE_STORAGE_ENDPOINT
        place = os.environ.get("AZURE_STORAGE_ENDPOINT") or os.environ.get("AZURE_ENDPOINT")
        if not place or os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
            return {}
        named = (("AccountName", "ACCOUNT_NAME"), ("AccountKey", "ACCOUNT_KEY"))
        given = [f"{key}={os.environ.get(f'AZURE_STORAGE_{name}', '')}" for key, name in named]
        return {"connection_string": ";".join([f"BlobEndpoint={place}", *given])}
    # whether to ask without a key, which Delta reads as GOOGLE_SKIP_SIGNATURE
    return {"token": "anon"} if _is_set("GOOGLE_SKIP_SIGNATURE") else {}


def _max_attempts() -> int:
    said = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return max(1, int(said)) if said.isdigit() else ATTEMPTS


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")
