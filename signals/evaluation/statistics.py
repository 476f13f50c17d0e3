"""What a run did with each signal; adds up over frames, threads and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class SignalStatistics:
    """Rows that a signal was asked about, what it said, and what that cost."""

    rows: int = 0
    """Rows of the frames, asked or not."""
    true: int = 0
    false: int = 0
    unknown: int = 0
    skipped: int = 0
    """Rows that were decided without it."""
    ran: int = 0
    """Rows that its body was run on: neither the null ones nor those whose answers are stored."""
    cached: int = 0
    """Rows whose answers were stored before."""
    raised: int = 0
    calls: int = 0
    seconds: float = 0.0
    position: int = -1
    """Its place in the order, from 0."""
    fused: bool = False
    """Whether it was asked about every row in one pass with others."""
    differs: str = ""
    """Where it answered a row otherwise when it was asked again; empty where it did not."""

    @property
    def evaluated(self) -> int:
        """Rows that it said true, false or unknown of."""
        return self.true + self.false + self.unknown

    @property
    def selectivity(self) -> float | None:
        """Share of true among the rows evaluated; None where there are none."""
        return self.true / self.evaluated if self.evaluated else None

    @property
    def microseconds_per_row(self) -> float | None:
        """Measured wall time of one row; None where it never ran."""
        return self.seconds / self.ran * 1e6 if self.ran else None

    def __add__(self, other: SignalStatistics) -> SignalStatistics:
        latest = other if other.position >= 0 else self
        return SignalStatistics(
            rows=self.rows + other.rows,
            true=self.true + other.true,
            false=self.false + other.false,
            unknown=self.unknown + other.unknown,
            skipped=self.skipped + other.skipped,
            ran=self.ran + other.ran,
            cached=self.cached + other.cached,
            raised=self.raised + other.raised,
            calls=self.calls + other.calls,
            seconds=self.seconds + other.seconds,
            position=latest.position,
            fused=latest.fused,
            differs=self.differs or other.differs,
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a run did with its formula."""

    formula: str
    rows: int = 0
    kept: int = 0
    unknown: int = 0
    faulted: int = 0
    seconds: float = 0.0
    """Wall time of deciding, summed over threads."""
    planning: float = 0.0
    """Wall time of the measuring that orders were derived from."""
    plans: int = 0
    """Times that an order was derived."""
    signals: Mapping[str, SignalStatistics] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        nothing = SignalStatistics()
        names = {**self.signals, **other.signals}
        return replace(
            self,
            rows=self.rows + other.rows,
            kept=self.kept + other.kept,
            unknown=self.unknown + other.unknown,
            faulted=self.faulted + other.faulted,
            seconds=self.seconds + other.seconds,
            planning=self.planning + other.planning,
            plans=self.plans + other.plans,
            signals={
                name: self.signals.get(name, nothing) + other.signals.get(name, nothing)
                for name in names
            },
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Tell which signals do not answer a row the same when they are asked again."""
        return tuple(
            f"signal '{name}' is no function of its input: {found.differs}; its answers are not "
            "stored, and another run may keep other rows: take chance, time and state out of it"
            for name, found in self.signals.items()
            if found.differs
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Give the figures as plain JSON, with evaluated, selectivity and cost."""
        signals: dict[str, JsonValue] = {
            name: {
                **asdict(found),
                "evaluated": found.evaluated,
                "selectivity": found.selectivity,
                "microseconds_per_row": found.microseconds_per_row,
            }
            for name, found in self.signals.items()
        }
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "signals"}
        return {**plain, "signals": signals}
