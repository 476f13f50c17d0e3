"""When and how the set and the model are renewed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from siftset.schemas.recipe.section import Section, Share


class SmallChange(Section):
    """What may change without anybody looking; a share that is not named is 0."""

    added_share: NonNegativeFloat = Field(0.0, description="Added rows, of the rows before.")
    removed_share: Share = Field(0.0, description="Removed rows, of the rows before.")
    changed_share: Share = Field(0.0, description="Rows with other content, of the rows before.")


class Approve(Section):
    """Which refreshes wait for approval."""

    below: SmallChange = Field(description="Changes up to here are published without it.")


class Refresh(Section):
    """What `siftset refresh` does with what is new."""

    @property
    def may_train(self) -> bool:
        """Whether anything can make a training due."""
        wanted = (self.retrain_after, self.retrain_on_drop)
        return self.retrain_on_drift or any(one is not None for one in wanted)

    retrain_after: PositiveInt | None = Field(
        None, description="Rows added, changed or removed since the last training that make it due."
    )
    retrain_on_drift: bool = Field(
        False, description="Train when the rows of a run drift from the set before."
    )
    retrain_on_drop: PositiveFloat | None = Field(
        None,
        description="Train when the current model's metric on the held-out rows is worse than when "
        "it was trained by more than this share, such as 0.05.",
    )
    retrain_minimum: PositiveInt | None = Field(
        None, description="Rows of the set below which nothing is trained."
    )
    cooldown_hours: NonNegativeFloat = Field(
        0.0, description="Hours after a training before the next one."
    )
    promote: Literal["not_worse", "better", "always"] = Field(
        "not_worse",
        description="What a new model must be, on the golden set, to take the current one's place.",
    )
    promote_metric: str | None = Field(
        None, description="The metric that is compared; default: loss, or macro_f1 of a classifier."
    )
    keep_versions: PositiveInt | None = Field(
        None,
        description="Latest versions of the set that are kept, beside those that a model was "
        "trained on; default: all.",
    )
    merge: Literal["append", "replace", "upsert"] = Field(
        "append",
        description="Of a repeated id: append refuses other content, upsert takes the latest; "
        "replace also lets rows go whose input is gone.",
    )
    removed: Literal["keep", "delete"] = Field(
        "keep", description="What happens to rows whose input is gone."
    )
    approve: bool | Approve = Field(
        False,
        description="Write a plan that waits for `siftset apply` instead of publishing: every "
        "time, or where more changes than `below` says.",
    )
    notify: str | None = Field(None, description="Webhook URL; give it as ${NAME}.")
    lineage: str | None = Field(
        None,
        description="Where OpenLineage events go: a file, one event a line, or the http address "
        "that takes them; give it as ${NAME}.",
    )
