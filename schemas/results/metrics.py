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

from siftset.schemas.results.label_metrics import (
    LabelCut,
    LabelDoubts,
    LabelPrecision,
    LabelWorth,
    VoteMetrics,
)
from siftset.schemas.results.metrics_part import Example, Metrics
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


class SignalMetrics(Metrics):
    """One signal of the formula: what it said, what it cost, what it decides."""

    name: str
    kind: str = ""
    description: str = ""
    true: int = 0
    false: int = 0
    unknown: int = 0
    evaluated: int = Field(0, description="Rows that the plan of this run asked it about.")
    skipped: int = Field(0, description="Rows that were decided without it.")
    ran: int = Field(0, description="Rows that it was run on.")
    cached: int = Field(
        0, description="Rows whose answers were known: of an earlier run, or of an earlier row."
    )
    faults: int = 0
    seconds: float | None = Field(
        None, description="Time spent running it, all threads together; its share if `fused`."
    )
    fused: bool = Field(False, description="Whether it was run in one pass with others.")
    analysed_true: int | None = Field(None, description="Analysed rows that it is true of.")
    analysed_false: int | None = None
    analysed_unknown: int | None = None


class Step(Metrics):
    """One clause, in the order as written: analysed rows that reach it and that pass."""

    clause: str
    entered: int
    passed: int
    alone: int | None = Field(None, description="Analysed rows that satisfy it by itself.")


class LeaveOneOut(Metrics):
    """What the formula keeps when one signal is taken out of it."""

    signal: str
    kept_without: int
    removed: int = Field(description="Rows that only this signal removes.")
    added: int = Field(0, description="Rows that only this signal lets in.")


class Pair(Metrics):
    """How often two signals say the same of the analysed rows."""

    left: str
    right: str
    both: int = Field(description="Rows of which both say the same.")
    either: int = Field(description="Rows of which neither is unknown.")


class Tree(Metrics):
    """The formula as a tree: an operator with children, or a leaf."""

    label: str
    children: tuple[Tree, ...] = ()
    true: int | None = Field(None, description="Analysed rows for which this node is true.")


class Funnel(Metrics):
    """How the formula decided."""

    formula: str
    tree: Tree | None = None
    decided: int = Field(0, description="Rows that the formula decided.")
    signals: tuple[SignalMetrics, ...] = ()
    steps: tuple[Step, ...] = ()
    analysed: int = Field(0, description="Rows on which every signal was evaluated.")
    analysed_kept: int = Field(0, description="Analysed rows that the whole formula keeps.")
    leave_one_out: tuple[LeaveOneOut, ...] = ()
    pairs: tuple[Pair, ...] = ()
    clauses: dict[str, int] = Field(
        default_factory=dict,
        description="Rows not kept by the first clause, as written, that does not hold; of the "
        "analysed rows. Without an analysis, by the first one that the run asked.",
    )


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


class Column(Metrics):
    """What is missing in one column."""

    name: str
    type: str = ""
    null: int = 0
    empty: int = Field(0, description='Texts equal to "".')
    blank: int = Field(0, description="Texts of white space only.")


class Histogram(Metrics):
    """Counts in bins of fixed edges: bin i holds edges[i] <= value < edges[i + 1]."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    rows: int = 0
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    quantiles: dict[str, float] = Field(
        default_factory=dict,
        description="p1, p50, p99: the least length that such a share of the texts does not "
        "exceed; exact below 16,384, within 1.1 % from there on.",
    )


class TokenUse(Metrics):
    """How often a token occurs."""

    token: str
    count: int


class Words(Metrics):
    """The vocabulary of the texts, lower-cased."""

    rows: int = Field(0, description="Rows whose tokens were counted.")
    tokens: int = 0
    distinct: int = Field(0, description="Distinct tokens; an estimate unless `exact`.")
    exact: bool = True
    top: tuple[TokenUse, ...] = ()
    gini: float | None = Field(
        None, description="Gini index of the counts; it grows with their number."
    )
    gini_even: float | None = Field(
        None,
        description="The same of what came in and what was kept at equally many texts and words.",
    )


class Profile(Metrics):
    """A population of rows: what came in, or what was kept."""

    rows: int = Field(description="Rows profiled: the denominator of every count in here.")
    of: int = Field(0, description="Rows of the population; more than `rows` when sampled.")
    text_column: str = "text"
    texts: int = Field(0, description="Rows with a text that is not null.")
    columns: tuple[Column, ...] = ()
    chars: Histogram = Histogram()
    words: Histogram = Histogram()
    tokens: Histogram | None = None
    over_max: int | None = Field(None, description="Texts longer than `max_length` tokens.")
    encoding: dict[str, int] = Field(default_factory=dict, description="Texts by peculiarity.")
    scripts: dict[str, int] = Field(default_factory=dict, description="Texts by script.")
    languages: dict[str, int] = Field(default_factory=dict)
    language_rows: int = 0
    labels: dict[str, dict[str, int]] = Field(default_factory=dict, description="By source.")
    label_totals: dict[str, int] = Field(
        default_factory=dict, description="Rows by label, whatever their source; at most 1,000."
    )
    vocabulary: Words = Words()


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
