"""The gate: Great Expectations over polars decides whether a set may be published."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siftset.pipeline.gate.checkpoint import GateResult, run_gate
    from siftset.pipeline.gate.quarantine import SuiteRules, read_quarantine, suite_reasons
    from siftset.pipeline.gate.suites import read_suites, suite_path
    from siftset.pipeline.gate.thresholds import apply_thresholds, verdict_of

_HOMES = {
    "GateResult": "checkpoint",
    "SuiteRules": "quarantine",
    "apply_thresholds": "thresholds",
    "read_quarantine": "quarantine",
    "read_suites": "suites",
    "run_gate": "checkpoint",
    "suite_path": "suites",
    "suite_reasons": "quarantine",
    "verdict_of": "thresholds",
}

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


def __getattr__(name: str) -> object:
    """Load a module when it is first used: a run without suites needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'siftset.pipeline.gate' has no attribute '{name}'")
    return getattr(import_module(f"siftset.pipeline.gate.{_HOMES[name]}"), name)
