"""What people decided by hand, as metrics.json holds it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_CONFIG = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class SetEstimate(BaseModel):
    """How right one outcome is, by rows drawn at random that people looked at one by one."""

    model_config = _CONFIG

    right: int
    judged: int = Field(description="Rows that were looked at: the denominator.")
    low: float = Field(description="The 95 % interval of the share (Wilson).")
    high: float
    reviewers: tuple[str, ...]
    since: str = Field(description="The first and the last day of looking, ISO 8601.")
    until: str
    left_out: int = Field(0, description="Rows that were looked at under another formula.")


class ReviewMetrics(BaseModel):
    """What people decided of the rows of the whole set, and what came of it."""

    model_config = _CONFIG

    kept: int = Field(0, description="Rows that people kept, before duplicates are found.")
    dropped: int = Field(0, description="Rows that people dropped.")
    relabelled: int = 0
    edited: int = 0
    overruled: int = Field(0, description="Kept and dropped rows of which the formula said else.")
    covered: int = Field(
        0, description="Rows read by this run that went because they repeat a dropped row."
    )
    stale: int = Field(0, description="Rows that read otherwise than the reviewer saw them.")
    orphaned: int | None = Field(
        None, description="Decisions about rows that are not there; null where only some were read."
    )
    disputed: int = Field(0, description="Rows about which reviewers disagree.")
    skipped: int = Field(0, description="Rows that were put off.")
    new_labels: dict[str, int] = Field(
        default_factory=dict, description="Labels that people alone gave, with their rows."
    )
    reviewers: dict[str, int] = Field(
        default_factory=dict, description="Rows in force, by who decided last."
    )
    until: str = Field("", description="The last decision in force, ISO 8601.")
    files: tuple[str, ...] = ()
    kept_right: SetEstimate | None = Field(
        None, description="Kept rows that are right as they are."
    )
    rejected_right: SetEstimate | None = Field(
        None, description="Rejected rows that are rightly rejected."
    )

    @property
    def by_hand(self) -> dict[str, int]:
        """Rows by what people did to them, those that are some."""
        names = ("kept", "dropped", "relabelled", "edited", "stale", "orphaned", "disputed")
        return {name: rows for name in names if (rows := getattr(self, name))}
