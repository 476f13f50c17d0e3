"""The gate: Great Expectations over polars decides whether a set may be published."""

from __future__ import annotations

from pipeline.gate.quarantine import SuiteRules, read_quarantine, suite_reasons
from pipeline.gate.run import GateResult, run_gate
from pipeline.gate.suites import read_suites, suite_path
from pipeline.gate.thresholds import apply_thresholds, verdict_of

__all__ = [
    "GateResult",
    "SuiteRules",
    "apply_thresholds",
    "read_quarantine",
    "read_suites",
    "run_gate",
    "suite_path",
    "suite_reasons",
    "verdict_of",
]
