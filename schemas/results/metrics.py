"""What metrics.json holds: everything that the page of a run shows, as numbers.

A share is never stored: every object holds a count and the rows it is of. `None` is not measured.
Unknown keys are ignored, so that an older siftset reads the history of a newer one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from siftset.schemas.results.funnel_metrics import Funnel
from siftset.schemas.results.label_metrics import (
    LabelCut,
    LabelDoubts,
    LabelPrecision,
    LabelWorth,
    VoteMetrics,
)
from siftset.schemas.results.metrics_part import Example, Metrics
from siftset.schemas.results.profile_metrics import Profile
from siftset.schemas.results.review import ReviewMetrics

Verdict = Literal["pass", "warn", "fail"]
Severity = Literal["info", "warning", "critical"]


class Run(Metrics):
    """Which run this was, and what it made."""

    run_id: str
    command: Literal["curate", "refresh", "preview"] = "curate"
    recipe: str
    arguments: tuple[str, ...] = Field(
        (), description="Words that name the recipe on a command line; none where it has no file."
    )
    recipe_hash: str = ""
    formula: str = ""
    formula_hash: str = ""
    key: str = ""
    seed: int = 0
    suite: str | None = Field(None, description="Name and version of the integrity suite.")
    version: int | None = Field(None, description="The set's version; null when not published.")
    base_version: int | None = None
    incremental: bool = Field(
        False, description="Whether it read what was new only: its figures are of those rows."
    )
    started: str = Field("", description="ISO 8601, UTC.")
    seconds: float = 0.0
    versions: dict[str, str] = Field(default_factory=dict, description="Software, by name.")


class Input(Metrics):
    """One input of the run."""

    name: str
    kind: str = ""
    location: str = ""
    fingerprint: str = ""
    rows: int | None = None
    bytes: int | None = None


class Rows(Metrics):
    """The closing balance: read = kept + rejected + quarantined + duplicate + unreadable."""

    read: int = 0
    kept: int = 0
    rejected: int = 0
    quarantined: int = 0
    duplicate: int = 0
    unreadable: int = 0
    unknown: int = Field(0, description="Rejected rows whose formula is unknown.")
    set: int | None = Field(None, description="Rows of the whole version.")
    splits: dict[str, int] = Field(default_factory=dict, description="Those, by split.")


class Check(Metrics):
    """One rule or expectation."""

    name: str
    column: str | None = None
    stage: Literal["input", "row rules", "output", "threshold"] = "output"
    passed: bool
    severity: Severity = "critical"
    failed: int | None = Field(None, description="Rows that fail it.")
    rows: int | None = Field(None, description="Rows that it looked at: the denominator.")
    observed: float | None = Field(None, description="The figure, where it is no count of rows.")
    arguments: str = Field("", description="What it was asked, beside its column and threshold.")
    threshold: str = ""
    message: str = ""
    advice: str = Field("", description="What to do about it.")
    note: str = Field("", description="What the suite says of it.")
    words: str = Field("", description="What it asks, as a sentence; empty in older files.")
    examples: tuple[Example, ...] = ()


class Group(Metrics):
    """A kept row and how many rows repeat it."""

    row_id: str
    repeats: int
    text: str = ""
    kind: str = "exact"


class Duplicates(Metrics):
    """Rows that repeat another one."""

    exact: int | None = Field(None, description="Equal texts; null when not looked for.")
    near: int | None = Field(None, description="Similar texts; null when not looked for.")
    ids: int | None = Field(None, description="Records of an id met before; null without ids.")
    labels: int | None = Field(
        None, description="Rows that `dedupe.relabelled` took out; null without it."
    )
    relabelled: int | None = Field(
        None,
        description="Equal or similar texts under another label than the row that they repeat; "
        "null without labels.",
    )
    rows: int = Field(0, description="Rows that the formula kept: the denominator.")
    groups: tuple[Group, ...] = ()


class ClassShare(Metrics):
    """One class of a selection by shares."""

    name: str
    rows: int = Field(description="Rows to choose from.")
    taken: int


class Selection(Metrics):
    """Which of the kept rows were taken: of the whole version, whatever this run read."""

    asked: int
    rows: int = Field(description="Rows to choose from: kept by the formula, duplicates aside.")
    taken: int
    method: str
    model: str
    near: str = Field(description="The file of the example texts.")
    examples: int
    fingerprint: str = Field("", description="Hash of the examples and of what compares them.")
    likeness_taken: float | None = Field(
        None,
        description="Mean cosine to the nearest example, by the static model; of 20,000 rows at "
        "most.",
    )
    likeness_all: float | None = Field(None, description="The same of all rows to choose from.")
    per: str | None = None
    unclassed: int = Field(0, description="Rows without a class, where classes get shares.")
    classes: tuple[ClassShare, ...] = ()
    labels: tuple[ClassShare, ...] = Field(
        (), description="Rows by label, where no classes get shares; none beyond 50 labels."
    )


LeakKind = Literal["any", "exact", "normalised", "near", "n-gram", "prompt", "answer", "group"]


class Leak(Metrics):
    """Rows of one split whose text is also in another one, or of a held-out file in the set.

    The kind `any` counts the rows that leak in any of the other ways, each once.
    """

    kind: LeakKind
    left: str
    right: str
    rows: int
    of: int
    note: str = ""
    examples: tuple[Example, ...] = ()


class LargestGroup(Metrics):
    """The group with the most rows of a split."""

    value: str
    rows: int


class SplitFacts(Metrics):
    """How the splits of a version came out where a group decides."""

    group: tuple[str, ...]
    groups: int
    ungrouped: int = Field(description="Rows without a group, each one by its text.")
    rows: int
    asked: dict[str, float] = Field(default_factory=dict, description="Shares, by split.")
    held: dict[str, int] = Field(default_factory=dict, description="Rows, by split.")
    largest: dict[str, LargestGroup] = Field(default_factory=dict)
    leaks: tuple[Leak, ...] = Field((), description="Rows whose group another split has too.")


class Drift(Metrics):
    """One distance between this run and what it is compared with."""

    name: str
    key: str = Field("", description="Short name, as in the threshold drift_<key>.")
    against: str
    value: float
    low: float | None = Field(None, description="The value's 95 % interval.")
    high: float | None = None
    chance: float | None = Field(
        None, description="The farthest that samples of one population give by chance."
    )
    unit: str = ""
    before: float | None = None
    after: float | None = None
    level: Verdict = "pass"
    limits: str = ""
    message: str = ""


class Sample(Metrics):
    """A row shown on the page; `text` is cut."""

    row_id: str = ""
    text: str | None = None
    why: str = ""
    label: str | None = None
    where: str = Field("", description="File and record.")


class RunMetrics(Metrics):
    """The whole of metrics.json."""

    schema_version: int = 1
    verdict: Verdict
    run: Run
    inputs: tuple[Input, ...] = ()
    rows: Rows = Rows()
    funnel: Funnel | None = None
    checks: tuple[Check, ...] = ()
    profiles: dict[Literal["input", "kept"], Profile] = Field(default_factory=dict)
    max_length: int | None = None
    duplicates: Duplicates | None = None
    leakage: tuple[Leak, ...] = ()
    split: SplitFacts | None = None
    selection: Selection | None = None
    drift: tuple[Drift, ...] = ()
    label_precision: LabelPrecision | None = Field(
        None, description="Of the rows that this run kept."
    )
    set_label_precision: LabelPrecision | None = Field(
        None, description="Of all rows of the version."
    )
    votes: VoteMetrics | None = None
    golden_votes: VoteMetrics | None = None
    label_cut: LabelCut | None = None
    label_worth: LabelWorth | None = None
    label_doubts: LabelDoubts | None = None
    review: ReviewMetrics | None = None
    samples: dict[str, tuple[Sample, ...]] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict, description="Title: path beside the page.")
    custom: dict[str, JsonValue] = Field(default_factory=dict, description="The user's own.")
    alerts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, write: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Write parts that few recipes ask for only where they do: other files stay as they were.

        Those are `split`, of groups, `votes`, `golden_votes`, `label_cut`, `label_worth`,
        `label_doubts`, `selection` and `review`.
        """
        found: dict[str, JsonValue] = write(self)
        for name in (
            "split",
            "votes",
            "golden_votes",
            "label_cut",
            "label_worth",
            "label_doubts",
            "selection",
            "review",
        ):
            if getattr(self, name) is None:
                found.pop(name, None)
        return found
