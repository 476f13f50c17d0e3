"""An error of a node says which node it is from and, where code is lacking there, what travels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from siftset.pipeline.engines.ray import worker
from siftset.schemas.errors import OutputError, SignalError
from siftset.schemas.recipe.loading import load_recipe


@pytest.fixture(autouse=True)
def node(monkeypatch):
    monkeypatch.setattr(worker, "_node_id", lambda: "n1")


@pytest.mark.parametrize(
    ("said", "told"),
    [("no space left", "node n1: no space left"), ("node n1 sees nothing", "node n1 sees nothing")],
)
def test_an_error_names_its_node(monkeypatch, said, told):
    def refuse(_):
        raise OutputError(said)

    monkeypatch.setattr(worker, "_check_storage", refuse)
    answer = worker.do_shard(None, None, 0, 0)
    assert (answer.kind, answer.message) == ("OutputError", told)


def test_code_that_did_not_travel_is_told_with_what_does(tmp_path, monkeypatch):
    shipped = tmp_path / worker.SHIPPED
    shipped.mkdir()
    (shipped / "mine.py").write_text(
        "from siftset import signal\nfrom plain.helper import ask\n\n\n"
        "@signal\ndef mine(text: str) -> bool:\n    return ask(text)\n"
    )
    monkeypatch.chdir(tmp_path)
    source = {"files": {"paths": ["in.csv"]}}
    signals = {"mine": {"python": "mine.py:mine"}}
    recipe = {"name": "t", "output": "out", "source": source, "signals": signals, "keep": "mine"}
    payload = SimpleNamespace(mark="t", loaded=load_recipe(recipe))
    with pytest.raises(SignalError, match=r"imports 'plain'.*folders that hold an __init__\.py"):
        worker._bind_signals(payload)
