"""How a model wants to be asked: a small file beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import Field, PositiveInt, ValidationError

from siftset.schemas.errors import ModelError
from siftset.schemas.recipe.section import Section
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.models.embedded import EMBEDDED
from siftset.trainer.models.loading import locate_model
from siftset.trainer.tasks.templates import Template

USAGE: Final = "siftset.json"


class Usage(Section):
    """What a model was trained for, and how its inputs were written."""

    task: TaskName
    max_length: PositiveInt | None = Field(None, description="Tokens; longer texts are cut.")
    prompt: str | None = Field(None, description="A causal model's prompt with {column} places.")
    answer: str | None = Field(None, description="The column that held the answers.")
    ending: str = Field("", description="What followed an answer.")
    chat: bool = Field(
        False, description="Whether it learned conversations, as its chat template writes them."
    )

    @property
    def template(self) -> Template | None:
        """Return the template of prompts and answers."""
        if self.prompt is None or self.answer is None:
            return None
        return Template(self.prompt, self.answer, self.ending)


def write_usage(
    folder: Path,
    task: TaskName,
    *,
    max_length: int | None = None,
    template: Template | None = None,
    chat: bool = False,
) -> None:
    """Write how a model wants to be asked into its folder."""
    usage = Usage(
        task=task,
        max_length=max_length,
        prompt=None if template is None else template.prompt,
        answer=None if template is None else template.answer,
        ending="" if template is None else template.ending,
        chat=chat,
    )
    (folder / USAGE).write_text(usage.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_usage(name: str, revision: str | None = None) -> Usage:
    """Return how a model wants to be asked, else what its architecture says.

    Raises ModelError for a model that has no head for a task of siftset's.
    """
    if name in EMBEDDED:
        return Usage(task="mlm")
    path = Path(name).expanduser() / USAGE
    if path.is_file():
        try:
            return Usage.model_validate_json(path.read_text(encoding="utf-8"))
        except (ValidationError, ValueError) as error:
            raise ModelError(
                f"{path} is not what siftset train writes: remove it, or train again"
            ) from error
    architectures = _read_architectures(name, revision)
    for architecture in architectures:
        for task, facts in TASKS.items():
            if architecture.endswith(facts.architectures):
                return Usage(task=task)
    found = ", ".join(architectures) or "none"
    raise ModelError(
        f"the model '{name}' has no head that fills masks, classifies or answers "
        f"(its architectures: {found}): name a model with one, or train it first"
    )


def _read_architectures(name: str, revision: str | None) -> list[str]:
    place = locate_model(name, revision)
    config = Path(place.path) / "config.json"
    if config.is_file():
        try:
            read = json.loads(config.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ModelError(f"{config} is broken JSON: {error.msg}") from error
        return [str(one) for one in read.get("architectures") or ()]
    from transformers import AutoConfig

    hub = AutoConfig.from_pretrained(
        place.path, revision=place.revision, local_files_only=place.local, trust_remote_code=False
    )
    return [str(one) for one in hub.architectures or ()]
