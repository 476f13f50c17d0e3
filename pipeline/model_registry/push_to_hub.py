"""A trained model on the hub: private until its owner says otherwise."""

from __future__ import annotations

from pathlib import Path

from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.schemas.errors import OutputError


def push_model(folder: Path, name: str) -> str:
    """Upload a model's folder to the hub repository `name` and return its address.

    The token is the hub client's own (HF_TOKEN, or `hf auth login`). Raises OutputError.
    """
    if not is_main_process():
        return name
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Add the model")
    except Exception as error:  # the client's errors are many: HTTP, offline mode, name rules
        reason = " ".join(str(error).split())[:160]
        raise OutputError(
            f"the hub did not take {name} ({type(error).__name__}: {reason}); the model lies in "
            f"{folder}: check the name, the token (HF_TOKEN) and the network, then push again"
        ) from error
    return str(address)
