"""What compare.json holds: the model before and after, asked the same frozen questions.

Undefined figures (no rows, no such class, one class only) are None, never NaN.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, JsonValue, model_validator

from siftset.schemas.recipe.section import Section
from siftset.schemas.results.summary import Finding
from siftset.schemas.results.trials import Trials
from siftset.schemas.tasks import TaskName

BeforeKind = Literal["base model", "previous model", "linear probe", "none"]
Verdict = Literal["better", "worse", "no difference shown", "not judged"]
Move = Literal["in", "out", "up", "down", "same"]

MIN_UNITS: Final = 10
"""Independent units (rows, groups of rows, prompts) below which nothing has an interval."""


class Interval(Section):
    """A bootstrap (or Wilson) interval."""

    low: float
    high: float
    level: float = 0.95


class Estimate(Section):
    """A figure and its interval."""

    value: float | None
    interval: Interval | None = None


class Change(Section):
    """One metric before and after; `interval` is of the paired difference after - before."""

    name: str
    before: float | None
    after: float | None
    difference: float | None
    before_interval: Interval | None = None
    after_interval: Interval | None = None
    interval: Interval | None = None
    higher_is_better: bool | None = None
    n: int = Field(description="Rows (or prompts) that the figures stand on.")
    verdict: Verdict = "not judged"


class WinRate(Section):
    """How often the model after did better than the one before; ties count half."""

    name: str
    wins: int
    ties: int
    n: int
    value: float | None
    interval: Interval | None = None


class ModelInfo(Section):
    """A model that was asked."""

    name: str
    revision: str | None = None
    parameters: int | None = None
    head: Literal["trained", "untrained", "unknown"] = "unknown"


class Questions(Section):
    """What was asked: `hash` covers every text, mask and setting that the answers depend on."""

    hash: str
    seed: int
    rows: int = 0
    prompts: int = 0
    golden: int = 0
    general: int = 0
    cut: int = Field(0, description="Rows of the set that were left out by `max_rows`.")
    unit: Literal["row", "group of rows"] = Field(
        "row", description="What a resample draws: rows, or duplicates and groups as one."
    )
    units: int | None = Field(None, description="How many of them the held-out rows are.")


class Token(Section):
    """A token that fills a mask, with the whole sentence."""

    token: str
    probability: float
    sentence: str


class RankMove(Section):
    """How one token of the top k before or after moved; ranks count from 1."""

    token: str
    before_rank: int
    after_rank: int
    before: float
    after: float
    move: Move


class Mass(Section):
    """Probability on a list of words."""

    name: str
    before: float
    after: float


class Target(Section):
    """An expected word at a mask; log-odds are natural, against `against` where it is given."""

    word: str
    against: str | None = None
    before_rank: int | None
    after_rank: int | None
    before_log_odds: float | None
    after_log_odds: float | None


class MaskChange(Section):
    """One mask of one prompt; `before` and `after` are the likeliest tokens, best first."""

    mask: int = Field(description="Number of the mask in its prompt, from 0.")
    before: tuple[Token, ...]
    after: tuple[Token, ...]
    moves: tuple[RankMove, ...] = ()
    kl: float | None = Field(None, description="KL(after || before), nats.")
    js: float | None = Field(None, description="Jensen-Shannon divergence, nats; at most ln 2.")
    entropy_before: float
    entropy_after: float
    mass: tuple[Mass, ...] = ()
    target: Target | None = None


class PromptChange(Section):
    """One prompt, mask by mask."""

    prompt: str
    masks: tuple[MaskChange, ...]


class WordListInfo(Section):
    """A list whose mass is measured; only words that are one token of the model count."""

    name: str
    words: tuple[str, ...]
    skipped: tuple[str, ...] = Field((), description="Words that are more than one token.")


class SliceChange(Section):
    """The main metric on a part of the rows."""

    column: str
    value: str
    change: Change


class MlmComparison(Section):
    """Masks of the prompts, filled before and after."""

    top_k: int
    prompts: tuple[PromptChange, ...] = ()
    lists: tuple[WordListInfo, ...] = ()
    mass: tuple[Change, ...] = Field((), description="Mean mass over masks; paired intervals.")
    wins: tuple[WinRate, ...] = ()
    slices: tuple[SliceChange, ...] = ()


class ClassScores(Section):
    """One class of one model, against all others."""

    label: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    specificity: float | None


class CalibrationBin(Section):
    """Rows whose highest probability lies between `low` and `high`."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


class Curve(Section):
    """Points of a curve."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


class ThresholdScores(Section):
    """A binary classifier that says yes from `threshold` on."""

    threshold: float
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    accuracy: float


class ClassifierScores(Section):
    """Everything measured of one classifier (a model or a baseline)."""

    name: str
    kind: Literal["model", "baseline"] = "model"
    metrics: dict[str, Estimate]
    classes: tuple[ClassScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = Field((), description="Rows true, columns predicted.")
    calibration: tuple[CalibrationBin, ...] = ()
    roc: tuple[Curve, ...] = ()
    precision_recall: tuple[Curve, ...] = ()
    thresholds: tuple[ThresholdScores, ...] = ()


class McNemar(Section):
    """Exact McNemar's test over rows on which exactly one of the two is right."""

    fixed: int
    broken: int
    p_value: float


class RowChange(Section):
    """A row whose answer became right (fixed) or wrong (newly broken)."""

    row_id: str
    text: str
    label: str
    before: str
    after: str
    confidence: float


class BaselineChange(Section):
    """The headline of a baseline (before) and of the model after, on the same rows."""

    baseline: str
    change: Change


class ClassificationComparison(Section):
    """The classifiers on the same rows."""

    labels: tuple[str, ...]
    multi_label: bool = False
    models: tuple[ClassifierScores, ...] = Field(description="Baselines, before, after.")
    against_baselines: tuple[BaselineChange, ...] = ()
    mcnemar: McNemar | None = None
    slices: tuple[SliceChange, ...] = ()
    fixed: tuple[RowChange, ...] = ()
    broken: tuple[RowChange, ...] = ()
    fixed_rows: int = 0
    broken_rows: int = 0


class AnswerPair(Section):
    """The answers to one question, the base model's first."""

    prompt: str
    before: str
    after: str
    reference: str | None = None
    outside: bool = Field(False, description="A probe outside the domain.")


class CausalComparison(Section):
    """Generated answers, side by side."""

    max_new_tokens: int
    answers: tuple[AnswerPair, ...] = ()
    cut_prompts: int = Field(0, description="Prompts cut on the left to leave room to answer.")
    slices: tuple[SliceChange, ...] = ()
    wins: tuple[WinRate, ...] = ()


class Forgetting(Section):
    """Perplexity on text of the domain and on general text; the gate judges the latter."""

    in_domain: Change | None = None
    general: Change | None = None
    increase: float | None = Field(None, description="Rise on general text, as a share.")
    increase_interval: Interval | None = None
    limit: float | None = None
    verdict: Literal["pass", "fail", "not judged"] = "not judged"
    note: str = ""


class Golden(Section):
    """The frozen golden set."""

    source: str
    n: int
    changes: tuple[Change, ...] = ()
    wins: tuple[WinRate, ...] = ()


class TrainingCurve(Section):
    """Steps of the training and what was measured at each."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


class Comparison(Section):
    """The whole of compare.json."""

    @model_validator(mode="before")
    @classmethod
    def _read_earlier(cls, found: object) -> object:
        """Leave out `arms`, which version 0.1 wrote and whose verdict was not a fair one."""
        if isinstance(found, dict):
            return {name: value for name, value in found.items() if name != "arms"}
        return found

    schema_version: int = 1
    task: TaskName
    before: ModelInfo
    after: ModelInfo
    before_kind: BeforeKind
    questions: Questions
    metrics: dict[Literal["before", "after"], dict[str, float | None]]
    changes: tuple[Change, ...] = Field((), description="The headline first.")
    mlm: MlmComparison | None = None
    classification: ClassificationComparison | None = None
    causal: CausalComparison | None = None
    forgetting: Forgetting | None = None
    golden: Golden | None = None
    trials: Trials = Trials()
    curves: tuple[TrainingCurve, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What was wrong with the training data or the run, by name."""
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
