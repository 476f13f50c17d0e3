from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from siftset.schemas.errors import RecipeError, TrainingError
from siftset.schemas.recipe.train import Compare, Search, Train
from siftset.trainer.train import train
from siftset.trainer.training.hyperparameter_search import (
    Trial,
    assign_folds,
    check_single,
    cross_validate,
)
from siftset.trainer.training.session import Session

ROOT = Path(__file__).parents[3]
FEW = Compare(resamples=10, positive=None, negative=None)


def test_folds_keep_rows_that_are_alike_together(small_set):
    files = [*small_set.files["train"], *small_set.files["validation"]]
    rows = pl.concat([pl.read_parquet(path) for path in files], how="diagonal_relaxed")
    parts = assign_folds(rows, 4, seed=1)
    assert parts.value_counts()["count"].to_list() == pytest.approx([30] * 4, abs=2)
    again = assign_folds(rows, 4, seed=1)
    assert parts.equals(again)
    twins = rows.with_columns(text=rows["text"].str.to_uppercase() + " !")
    both = rows.vstack(twins)
    folds = assign_folds(both, 4, seed=1)
    assert folds[: rows.height].equals(folds[rows.height :])
    bare = rows.vstack(rows.with_columns(text=rows["text"].str.strip_chars(" .")))
    folds = assign_folds(bare, 4, seed=1)
    assert folds[: rows.height].equals(folds[rows.height :])
    authors = rows.with_columns(author=pl.Series([i // 5 for i in range(rows.height)]))
    by_author = authors.with_columns(fold=assign_folds(authors, 4, seed=1, group="author"))
    assert by_author.group_by("author").agg(pl.col("fold").n_unique())["fold"].max() == 1


def test_folds_keep_groups_together_and_rows_without_one_by_their_text():
    rows = pl.DataFrame(
        {
            "text": [f"text {at}" for at in range(60)],
            "meta": [{"author": None if at < 20 else at % 8} for at in range(60)],
        }
    )
    folds = assign_folds(rows, 4, 1, None, ("meta.author",))
    table = pl.DataFrame({"author": rows["meta"].struct.field("author"), "fold": folds})
    held = table.drop_nulls().group_by("author").agg(pl.col("fold").n_unique())
    assert held["fold"].to_list() == [1] * 8
    assert folds[:20].n_unique() == 4
    assert assign_folds(rows, 4, 1).equals(assign_folds(rows, 4, 1, None, ("absent",)))


def test_cross_validation_gives_mean_and_deviation(tiny_bert, small_set, tmp_path, progress):
    config = Train(task="classification", model=str(tiny_bert), epochs=1)
    trial = Trial(small_set, tmp_path / "t", 1, progress)
    found = cross_validate(config, 3, trial)
    figures = {one.name: one for one in found}
    assert len(figures["accuracy"].values) == 3
    loss = figures["loss"]
    assert loss.mean == pytest.approx(statistics.mean(loss.values))
    assert loss.deviation == pytest.approx(statistics.stdev(loss.values))


def test_a_search_trains_with_the_best_settings(tiny_bert, small_set, tmp_path, progress):
    config = Train(
        task="mlm",
        model=str(tiny_bert),
        epochs=2,
        line_by_line=True,
        folds=2,
        search=Search(trials=4, learning_rate=(1e-7, 5e-3)),
    )
    result = train(config, FEW, small_set, out=tmp_path / "m", seed=1, progress=progress)
    tried = {row["learning_rate"]: row["loss"] for row in result.details["search"]}
    assert tried[5e-3] < tried[1e-7]
    assert result.metrics["after"]["loss"] < 0.95 * result.metrics["before"]["loss"]
    assert result.details["chosen"] == {"learning_rate": 5e-3}
    folds = result.to_json()["details"]["folds"]["loss"]
    assert len(folds["values"]) == 2
    kept = json.loads((tmp_path / "m" / "compare.json").read_text())["trials"]
    assert kept["folds"][0] == {"name": "loss", **folds}
    card = (tmp_path / "m" / "README.md").read_text()
    assert f"| loss | {folds['mean']:.4g} | {folds['deviation']:.4g} | " in card
    assert f"| learning_rate 0.005 | {tried[5e-3]:.4g} | chosen |" in card
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["m"]


@pytest.mark.parametrize(
    ("settings", "processes", "message"),
    [
        ({"folds": 3}, 2, "run in one process"),
        ({"folds": 3, "eval_strategy": "no"}, 1, "train.eval_s"),
    ],
)
def test_trials_that_cannot_be_made(settings, processes, message):
    with pytest.raises(TrainingError, match=message):
        check_single(Train(task="mlm", **settings), processes)


def test_folds_share_labels_alike(rows_of):
    rows = pl.DataFrame(dict(rows_of(60)))
    rows = rows.with_columns(label=pl.Series(["rare"] * 12 + ["common"] * 48))
    parts = assign_folds(rows, 4, seed=1)
    by_fold = rows.with_columns(fold=parts).group_by("fold", "label").len()
    assert by_fold.filter(pl.col("label") == "rare")["len"].to_list() == [3] * 4
    assert by_fold.filter(pl.col("label") == "common")["len"].to_list() == [12] * 4


def test_a_fold_is_measured_on_rows_that_chose_nothing(tiny_bert, small_set, tmp_path, progress):
    seen = []

    class Watched(Trial):
        def run(self, config, name, data=None, measured=()):
            groups = [
                set(pl.read_parquet(f)["row_id"])
                for f in (*data.files["train"], *data.files["validation"], *measured)
            ]
            seen.append(groups)
            return {"loss": float(len(seen))}

    cross_validate(Train(task="mlm"), 3, Watched(small_set, tmp_path / "t", 1, progress))
    assert len(seen) == 3
    for learned, chosen, measured in seen:
        assert min(len(learned), len(chosen), len(measured)) > 0
        assert len(learned | chosen | measured) == len(learned) + len(chosen) + len(measured)
    every = [row for *_, measured in seen for row in measured]
    assert len(every) == len(set(every))


KILLED = """
import sys
from pathlib import Path
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.trainer.train import train
import torch
torch.set_num_threads(1)
folder, config, *files = sys.argv[1:]
data = TrainingData(
    {"train": (Path(files[0]),), "validation": (Path(files[1]),)},
    Lineage("tests", "hash", "set", 1, "run", "keep", "formula"),
)
compare = Compare(resamples=10, positive=None, negative=None)
train(Train.model_validate_json(config), compare, data, out=Path(folder) / "m", seed=1,
      progress=Silent())
"""


@pytest.mark.slow
def test_search_and_folds_go_on_after_a_kill(tiny_bert, small_set, tmp_path, progress, monkeypatch):
    config = Train(
        task="classification",
        model=str(tiny_bert),
        max_steps=4,
        batch_size=8,
        folds=3,
        search=Search(trials=2, learning_rate=(1e-4, 1e-3)),
    )
    (learned,), (held,) = small_set.files["train"], small_set.files["validation"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, str(killed), config.model_dump_json()]
    process = subprocess.Popen([*command, str(learned), str(held)], cwd=ROOT)
    note = killed / ".m.trials" / "fold-0.json"
    deadline = time.monotonic() + 200
    while not note.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = {path.stem for path in note.parent.glob("*.json")} - {"run"}
    assert "fold-0" in done
    assert "fold-2" not in done

    made = []
    prepare = Session.prepare
    monkeypatch.setattr(
        Session, "prepare",
        lambda self, **how: made.append(self.out.name) or prepare(self, **how),
    )  # fmt: skip
    found = [train(config, FEW, small_set, out=folder / "m", seed=1, progress=progress)
             for folder in (killed, whole)]  # fmt: skip
    first = made.index("m") + 1
    assert done.isdisjoint(made[:first])
    assert set(made[:first]) | done == set(made[first:])
    for name in ("search", "chosen", "folds"):
        assert found[0].details[name] == found[1].details[name]
    assert found[0].metrics == found[1].metrics
    assert [path.name for path in killed.iterdir()] == ["m"]


def test_what_was_tried_outlives_a_kill_of_the_last_training(
    tiny_bert, small_set, tmp_path, progress, monkeypatch
):
    config = Train(task="mlm", model=str(tiny_bert), max_steps=1, line_by_line=True, folds=2)
    fit, fitted = Session.fit, []

    def fit_until(stop):
        def run(self):
            fitted.append(self.out.name)
            if self.out.name == stop:
                raise KeyboardInterrupt
            fit(self)

        monkeypatch.setattr(Session, "fit", run)

    fit_until("m")
    with pytest.raises(KeyboardInterrupt):
        train(config, FEW, small_set, out=tmp_path / "m", seed=1, progress=progress)
    fit_until(None)
    train(config, FEW, small_set, out=tmp_path / "m", seed=1, progress=progress)
    assert fitted == ["fold-0", "fold-1", "m", "m"]
    assert not list(tmp_path.glob(".m.*"))


def test_a_typo_in_the_questions_costs_no_trial(
    tiny_bert, small_set, tmp_path, progress, monkeypatch
):
    monkeypatch.setattr(Session, "fit", lambda _: pytest.fail("it trains"))
    config = Train(task="mlm", model=str(tiny_bert), max_steps=1, line_by_line=True, folds=2)
    for wrong in ({"slices": ("lenght",)}, {"group": "autor"}):
        asked = Compare(resamples=10, positive=None, negative=None, **wrong)
        with pytest.raises(RecipeError, match="the rows have no"):
            train(config, asked, small_set, out=tmp_path / "m", seed=1, progress=progress)


def test_a_trial_that_was_made_is_not_made_again(tiny_bert, small_set, tmp_path, progress):
    trial = Trial(small_set, tmp_path / "t", 1, progress)
    trial.folder.mkdir()
    config = Train(task="mlm", model=str(tiny_bert), max_steps=1, line_by_line=True)
    first = trial.run(config, "fold-0")
    assert first["loss"] > 0
    broken = config.model_copy(update={"model": str(tmp_path / "gone")})
    assert trial.run(broken, "fold-0") == first
