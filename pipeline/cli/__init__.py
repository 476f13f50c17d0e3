"""The command line: one module a kind of work, nothing heavy imported before it is needed."""

from __future__ import annotations

from pipeline.cli import learn, look, renew, signals, start, work  # noqa: F401  they add their commands
from pipeline.cli.app import app, in_order

in_order(app)

__all__ = ["app"]
