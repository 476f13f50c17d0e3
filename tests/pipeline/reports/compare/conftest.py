"""Comparisons in which every part of the page has something to show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import JsonValue

from siftset.schemas.results import comparison as c
from siftset.schemas.results.summary import Finding
from siftset.schemas.results.trials import FoldFigure, SearchFound, SearchTrial, Trials


def _tokens(*found: tuple[str, float]) -> tuple[c.Token, ...]:
    return tuple(
        c.Token(token=t, probability=p, sentence=f"Nike shoes are very {t}") for t, p in found
    )


def _change(name: str, before: float, after: float, **more) -> c.Change:
    half = abs(after - before) / 3
    middle = after - before
    return c.Change(
        name=name,
        before=before,
        after=after,
        difference=middle,
        interval=c.Interval(low=middle - half, high=middle + half),
        n=690,
        verdict="better",
        **more,
    )


def _mlm() -> c.MlmComparison:
    before = _tokens(
        ("popular", 0.21),
        ("expensive", 0.11),
        ("comfortable", 0.09),
        ("light", 0.05),
        ("common", 0.04),
        ("good", 0.03),
        ("cheap", 0.02),
        ("fashionable", 0.02),
        ("soft", 0.01),
        ("old", 0.0004),
    )
    after = _tokens(
        ("comfortable", 0.34),
        ("durable", 0.22),
        ("light", 0.12),
        ("popular", 0.05),
        ("soft", 0.04),
        ("stylish", 0.03),
        ("good", 0.02),
        ("reliable", 0.02),
        ("flexible", 0.01),
        ("warm", 0.01),
    )
    moves = (
        c.RankMove(
            token="comfortable", before_rank=3, after_rank=1, before=0.09, after=0.34, move="up"
        ),
        c.RankMove(
            token="durable", before_rank=41, after_rank=2, before=0.002, after=0.22, move="in"
        ),
        c.RankMove(
            token="popular", before_rank=1, after_rank=4, before=0.21, after=0.05, move="down"
        ),
        c.RankMove(
            token="expensive", before_rank=2, after_rank=90, before=0.11, after=0.001, move="out"
        ),
    )
    mask = c.MaskChange(
        mask=0,
        before=before,
        after=after,
        moves=moves,
        kl=0.9,
        js=0.31,
        entropy_before=4.1,
        entropy_after=2.2,
        mass=(c.Mass(name="positive", before=0.2, after=0.7),),
        target=c.Target(
            word="durable", before_rank=41, after_rank=2, before_log_odds=-6.0, after_log_odds=-1.2
        ),
    )
    return c.MlmComparison(
        top_k=10,
        prompts=(c.PromptChange(prompt="Nike shoes are very [MASK]", masks=(mask, mask)),),
        lists=(c.WordListInfo(name="positive", words=("good", "soft"), skipped=("lightweight",)),),
        mass=(_change("positive", 0.21, 0.66), _change("negative", 0.14, 0.01)),
        wins=(c.WinRate(name="held-out rows", wins=600, ties=20, n=690, value=0.88),),
        slices=tuple(
            c.SliceChange(column="source", value="reviews", change=_change(name, 0.3, 0.5))
            for name in ("perplexity", "accuracy_at_1")
        ),
    )


def _scores(name: str, shift: int) -> c.ClassifierScores:
    estimate = c.Estimate(value=0.8 + shift / 100, interval=c.Interval(low=0.78, high=0.9))
    return c.ClassifierScores(
        name=name,
        metrics={"accuracy": estimate, "macro_f1": estimate},
        classes=(
            c.ClassScores(label="neg", n=40, precision=0.8, recall=0.9, f1=0.85, specificity=0.7),
            c.ClassScores(label="pos", n=60, precision=0.9, recall=None, f1=None, specificity=0.9),
        ),
        confusion=((30 + shift, 10 - shift), (6, 54)),
        calibration=tuple(
            c.CalibrationBin(
                low=i / 5, high=(i + 1) / 5, n=20, confidence=i / 5 + 0.1, accuracy=(i / 5) ** 1.3
            )
            for i in range(5)
        ),
        roc=(c.Curve(name="pos", x=(0, 0.1, 0.3, 1), y=(0, 0.6 + shift / 50, 0.9, 1)),),
        precision_recall=(c.Curve(name="pos", x=(0, 0.5, 1), y=(1, 0.9, 0.6)),),
    )


def _classification() -> c.ClassificationComparison:
    row = c.RowChange(
        row_id="ab" * 16,
        text="A dull film.",
        label="neg",
        before="pos",
        after="neg",
        confidence=0.93,
    )
    return c.ClassificationComparison(
        labels=("neg", "pos"),
        models=(_scores("bag of words", 0), _scores("linear probe", 2), _scores("fine-tuned", 9)),
        mcnemar=c.McNemar(fixed=12, broken=3, p_value=0.035),
        slices=(
            c.SliceChange(column="source", value="imdb", change=_change("accuracy", 0.7, 0.9)),
        ),
        fixed=(row,),
        broken=(row,),
        fixed_rows=12,
        broken_rows=3,
    )


def _causal() -> c.CausalComparison:
    pair = c.AnswerPair(
        prompt="What is asthma?",
        before="Asthma Asthma",
        after="A disease of the airways.",
        reference="A chronic disease.",
        outside=True,
    )
    return c.CausalComparison(max_new_tokens=40, answers=(pair,), cut_prompts=2)


def build_comparison(task: str, **more) -> c.Comparison:
    """Return a comparison in which every part of the page has something to show."""
    steps = tuple(float(i) for i in range(0, 400, 20))
    loss = tuple(3.1 * 0.9 ** (i / 2) + 0.6 for i in range(20))
    provenance: dict[str, JsonValue] = {
        "recipe": "nike-positive",
        "set_version": 4,
        "splits": {"train": 6290},
    }
    parts = {"mlm": _mlm, "classification": _classification, "causal": _causal}
    return c.Comparison(
        task=task,
        before=c.ModelInfo(name="minilm", revision="1a2b", parameters=22_700_000, head="trained"),
        after=c.ModelInfo(name="models/nike-4", parameters=22_700_000, head="trained"),
        before_kind="base model",
        questions=c.Questions(hash="cd" * 16, seed=7, rows=690, prompts=5, general=200, cut=10),
        metrics={"before": {"loss": 3.1}, "after": {"loss": 0.7}},
        changes=(
            _change("loss", 3.1, 0.7),
            _change("perplexity", 22.2, 2.01),
            _change("accuracy_at_1", 0.4, 0.8),
        ),
        forgetting=c.Forgetting(
            general=_change("perplexity", 9.1, 10.4), increase=0.14, limit=0.1, verdict="fail"
        ),
        golden=c.Golden(source="golden.csv", n=60, changes=(_change("accuracy", 0.5, 0.8),)),
        trials=Trials(
            search=SearchFound(
                metric="macro_f1",
                trials=(
                    SearchTrial(settings={"learning_rate": 1e-5, "batch_size": 16}, value=0.61),
                    SearchTrial(settings={"learning_rate": 1e-4, "batch_size": 16}, value=0.72),
                ),
                chosen={"learning_rate": 1e-4, "batch_size": 16},
            ),
            folds=(
                FoldFigure(name="macro_f1", mean=0.7, deviation=0.02, values=(0.68, 0.7, 0.72)),
                FoldFigure(name="loss", mean=None, deviation=None, values=(0.9, None, 0.8)),
            ),
        ),
        curves=(
            c.TrainingCurve(name="loss", steps=steps, values=loss),
            c.TrainingCurve(
                name="eval_loss", steps=steps[::4], values=tuple(v + 0.1 for v in loss[::4])
            ),
            c.TrainingCurve(name="perplexity", steps=steps, values=tuple(2.718**v for v in loss)),
            c.TrainingCurve(
                name="learning_rate",
                steps=steps,
                values=tuple(1e-4 * (1 - i / 20) for i in range(20)),
            ),
        ),
        findings=(Finding("flat", "warning", "flat: raise learning_rate"),),
        provenance=provenance,
        warnings=("Validation loss rises while training loss falls: over-fitting.",),
        notes=("3 texts were cut to 128 tokens.",),
        **{task: parts[task]()},
        **more,
    )


@pytest.fixture
def build() -> Callable[..., c.Comparison]:
    """Return the function that makes the comparison of a task."""
    return build_comparison


@pytest.fixture
def change() -> Callable[..., c.Change]:
    """Return the function that makes a change of a metric."""
    return _change
