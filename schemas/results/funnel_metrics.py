"""What metrics.json holds of the formula: what each signal and each part of it did."""

from __future__ import annotations

from pydantic import Field

from siftset.schemas.results.metrics_part import Metrics


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
