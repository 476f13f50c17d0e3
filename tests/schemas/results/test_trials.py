"""What is kept of a search and of cross-validation."""

from __future__ import annotations

from siftset.schemas.results.trials import FoldFigure, SearchFound, SearchTrial, Trials

TRIED = (
    SearchTrial(settings={"learning_rate": 5e-05, "epochs": 2}, value=0.25),
    SearchTrial(settings={"learning_rate": 1e-3, "epochs": 3}, value=None),
)


def test_settings_are_told_on_one_line():
    assert TRIED[0].describe() == "learning_rate 5e-05, epochs 2"


def test_only_what_was_made_is_told():
    assert Trials().details() == {}
    found = Trials(search=SearchFound(metric="f1", trials=TRIED, chosen={"epochs": 2})).details()
    assert found == {
        "search": [
            {"learning_rate": 5e-05, "epochs": 2, "f1": 0.25},
            {"learning_rate": 1e-3, "epochs": 3, "f1": None},
        ],
        "chosen": {"epochs": 2},
    }
    fold = FoldFigure(name="f1", mean=None, deviation=None, values=(0.5, None))
    folds = Trials(folds=(fold,)).details()
    assert folds == {"folds": {"f1": {"mean": None, "deviation": None, "values": [0.5, None]}}}
