"""What commands return: frozen, and able to explain themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from siftset.schemas.errors import BalanceError

if TYPE_CHECKING:
    from siftset.schemas.results.plan import Plan


@dataclass(frozen=True, slots=True)
class Balance:
    """The closing balance of a run: every row read ended in exactly one place."""

    read: int = 0
    kept: int = 0
    rejected: int = 0
    quarantined: int = 0
    duplicate: int = 0
    unreadable: int = 0

    def __add__(self, other: Balance) -> Balance:
        return Balance(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def check(self) -> None:
        """Raise BalanceError unless the parts sum to `read`."""
        parts = self.kept + self.rejected + self.quarantined + self.duplicate + self.unreadable
        if parts != self.read:
            raise BalanceError(f"rows read {self.read:,} but accounted for {parts:,}: {self}")

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Turnover:
    """How many rows enter and leave the set."""

    against: int
    """The version that is compared with."""
    entered: int
    left: int


@dataclass(frozen=True, slots=True)
class CurateResult:
    """What a curate or refresh run did."""

    run_id: str
    version: int | None
    rows: Balance
    report: Path
    seconds: float
    new: bool
    unknown_rows: int
    set_rows: int
    verdict: Literal["pass", "warn", "fail"]
    output: Path
    splits: dict[str, int] = field(default_factory=dict)
    """Rows of the set by split."""
    notes: tuple[str, ...] = ()
    """What a reader must not miss, with what to do about it."""
    turnover: Turnover | None = None
    """Against the version before; None for the first one, and where nothing is new."""
    scores: dict[str, dict[str, int]] = field(default_factory=dict)
    """For each signal whose answers were stored, the rows `scored` and those `cached`."""
    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    """Shards, rows, CPU seconds and peak memory of each node of a cluster."""
    model: dict[str, JsonValue] | None = None
    """What a refresh did about the model; None where it was not asked to train."""
    by_hand: dict[str, int] = field(default_factory=dict)
    """Rows of the whole set by what people did to them."""
    plan: Plan | None = None
    """The plan that was written, for a run that is reviewed before it is published."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        waiting = {} if self.plan is None else {"plan": self.plan.to_json()}
        by_hand: dict[str, JsonValue] = {"by_hand": dict(self.by_hand)} if self.by_hand else {}
        return {
            **waiting,
            **by_hand,
            "run_id": self.run_id,
            "version": self.version,
            "rows": dict(self.rows.to_json()),
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
            "new": self.new,
            "unknown_rows": self.unknown_rows,
            "set_rows": self.set_rows,
            "verdict": self.verdict,
            "output": str(self.output),
            "splits": dict(self.splits),
            "notes": list(self.notes),
            "turnover": None if self.turnover is None else asdict(self.turnover),
            "scores": {name: dict(rows) for name, rows in self.scores.items()},
            "nodes": {name: dict(cost) for name, cost in self.nodes.items()},
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that training data or a training run should be told of, by name."""

    name: str
    level: Literal["note", "warning", "critical"]
    message: str
    value: float | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields by name."""
        return dict(asdict(self))


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training run did, and what changed."""

    model: Path
    task: str
    metrics: dict[str, dict[str, float | None]]
    """The figures `before` and `after`, by name."""
    report: Path
    seconds: float
    steps: int = 0
    tokens_per_second: float = 0.0
    findings: tuple[Finding, ...] = ()
    hardware: dict[str, JsonValue] = field(default_factory=dict)
    untrained_head: tuple[str, ...] = ()
    """Weights of the model before that no file held: its answers are noise."""
    details: dict[str, JsonValue] = field(default_factory=dict)
    new: bool = True
    """False where the same training was done before and nothing was written."""

    def find(self, *names: str) -> Finding | None:
        """Return the first finding of one of these names."""
        return next((finding for finding in self.findings if finding.name in names), None)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object of `--json`."""
        return {
            "model": str(self.model),
            "task": self.task,
            "metrics": {side: dict(values) for side, values in self.metrics.items()},
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
            "steps": self.steps,
            "tokens_per_second": round(self.tokens_per_second, 1),
            "findings": [finding.to_json() for finding in self.findings],
            "hardware": dict(self.hardware),
            "untrained_head": list(self.untrained_head),
            "details": dict(self.details),
            "new": self.new,
        }
