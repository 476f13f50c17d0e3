"""How the libraries of stores are set up: by the environment alone, in names that Delta reads."""

from __future__ import annotations

import os


def store_settings(kind: str) -> dict[str, object]:
    """Return what the store's library does not read from the environment by itself."""
    if kind == "s3":
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return {
            "anon": _is_set("AWS_SKIP_SIGNATURE"),
            "endpoint_url": os.environ.get("AWS_ENDPOINT_URL"),
            "client_kwargs": {"region_name": region} if region else {},
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


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")
