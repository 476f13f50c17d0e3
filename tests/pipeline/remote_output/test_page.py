"""The page on object stores is true: its blocks run, in order, against a store on loopback."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "s3.md"


def pages():
    spec = importlib.util.spec_from_file_location("_pages", TESTS / "test_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_block_of_the_page_runs(server, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    for name, value in {
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(name, value)
    module = pages()
    for language, text in module.FENCE.findall(PAGE.read_text("utf-8")):
        module.run_block(language, text, tmp_path)
    assert pl.read_delta("s3://reviews/out/set")["text"].sort().to_list() == [
        "Great shoes!", "Soft sneakers.", "The shoes fell apart.",
    ]  # fmt: skip
