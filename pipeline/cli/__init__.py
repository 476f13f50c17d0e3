"""The command line: one module a kind of work, nothing heavy imported before it is needed."""

from __future__ import annotations

from siftset.pipeline.cli import (  # noqa: F401  they add their commands
    models,
    monitoring,
    plans,
    project,
    proof,
    reports,
    review,
    sets,
    signals,
    versions,
)
from siftset.pipeline.cli.app import app, sort_commands

sort_commands(app)

__all__ = ["app"]
