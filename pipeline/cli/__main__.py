"""`python -m siftset.pipeline.cli` is the command, for launchers that take a module."""

from __future__ import annotations

from siftset.pipeline.cli import app

app(prog_name="siftset")
