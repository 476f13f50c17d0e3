"""Two causal models: loss of the answers, generated answers side by side, general text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import AnswerPair, CausalComparison, Change, Golden
from siftset.trainer.comparison.context import ComparisonSetting, TaskComparison, require_model
from siftset.trainer.comparison.held_out import (
    Scored,
    compare_language,
    count_loss_wins,
    judge_forgetting,
)
from siftset.trainer.comparison.predictions import tabulate_losses
from siftset.trainer.comparison.questions import Prompt, QuestionSet
from siftset.trainer.comparison.slices import compare_slices, note_small_slices
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import Answerer, ChatAnswerer
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    change,
    mean_draws,
    ratio_draws,
    win_rate,
)
from siftset.trainer.metrics.generation import ROW_METRICS, bleu, bleu_counts, repetition


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The model before and the model after."""

    before: Answerer
    after: Answerer

    def score_rows(self, frame: pl.DataFrame) -> Scored:
        """Return the loss of the answers, or of the text where rows have none."""
        if "answer" not in frame.columns:
            texts = frame["text"].to_list()
            return self.before.text_loss(texts), self.after.text_loss(texts)
        prompts, answers = frame["prompt"].to_list(), frame["answer"].to_list()
        return self.before.answer_loss(prompts, answers), self.after.answer_loss(prompts, answers)


def compare_causal(
    before: ModelSide | None, after: ModelSide, questions: QuestionSet, setting: ComparisonSetting
) -> TaskComparison:
    """Compare two causal models."""
    old = require_model(before, Answerer, "causal")  # type: ignore[type-abstract]
    new = require_model(after, Answerer, "causal")  # type: ignore[type-abstract]
    pair = ModelPair(old, new)
    for side in (old, new) if questions.chat is not None else ():
        if isinstance(side, ChatAnswerer) and questions.chat is not None:
            side.read_chats(questions.chat)
    compare, bootstrap = setting.compare, setting.make_bootstrap(questions.seed, questions.rows)
    scored = pair.score_rows(questions.rows)
    names = ("" if before is None else before.info.name, after.info.name)
    setting.keep(tabulate_losses(questions.rows, scored, names))
    texts = pl.DataFrame({"text": list(questions.general)}, schema={"text": pl.String})
    general = pair.score_rows(texts) if questions.general else None
    language = compare_language(scored, bootstrap)
    found, changes = _compare_generated(pair, questions, setting)
    wins = (*count_loss_wins(scored, bootstrap), *found.wins)
    return TaskComparison(
        changes=(*language, *changes),
        causal=found.model_copy(update={"wins": wins}),
        forgetting=judge_forgetting(
            language[1],
            general,
            setting.make_bootstrap(questions.seed, texts),
            compare.max_general_ppl_increase,
        ),
        golden=_compare_golden(pair, questions, setting),
        notes=note_small_slices(
            questions.rows.head(compare.generated if "answer" in questions.rows.columns else 0),
            compare.slices,
        ),
    )


def _compare_generated(
    pair: ModelPair, questions: QuestionSet, setting: ComparisonSetting
) -> tuple[CausalComparison, tuple[Change, ...]]:
    """Answer held-out questions, the recipe's prompts and the probes outside the domain."""
    compare = setting.compare
    rows = questions.rows.head(compare.generated if "answer" in questions.rows.columns else 0)
    limit, shown = compare.max_new_tokens, questions.shown
    held = _ask_both(pair, _read_pairs(rows), limit, shown)
    asked = _ask_both(pair, questions.prompts, limit, shown)
    outside = _ask_both(pair, [Prompt(text) for text in questions.outside], limit, shown)
    found = CausalComparison(
        max_new_tokens=compare.max_new_tokens,
        answers=(
            *asked,
            *held[: compare.answers],
            *(pair.model_copy(update={"outside": True}) for pair in outside),
        ),
        cut_prompts=pair.after.cut_prompts,
    )
    if not held:
        return found, ()
    bootstrap = setting.make_bootstrap(questions.seed, rows)
    changes, f1 = compare_answer_metrics(held, bootstrap)
    update = {
        "slices": compare_slices(rows, f1, compare.slices, bootstrap, "token_f1"),
        "wins": (win_rate("answers with higher token F1", f1[1] - f1[0], bootstrap),),
    }
    return found.model_copy(update=update), changes


def _read_pairs(rows: pl.DataFrame) -> list[Prompt]:
    if rows.is_empty():
        return []
    target = "reference" if "reference" in rows.columns else "answer"
    return [Prompt(*row) for row in rows.select("prompt", target).iter_rows()]


def _ask_both(
    pair: ModelPair, prompts: Sequence[Prompt], limit: int, shown: Mapping[str, str]
) -> list[AnswerPair]:
    texts = [prompt.text for prompt in prompts]
    answers = zip(
        prompts,
        pair.before.generate_answers(texts, limit),
        pair.after.generate_answers(texts, limit),
        strict=True,
    )
    return [
        AnswerPair(
            prompt=shown.get(prompt.text, prompt.text),
            before=old,
            after=new,
            reference=prompt.target,
        )
        for prompt, old, new in answers
    ]


def compare_answer_metrics(
    pairs: Sequence[AnswerPair], bootstrap: Bootstrap
) -> tuple[tuple[Change, ...], tuple[Array, Array]]:
    """Return the changes of every metric of answers, and each row's token F1 before and after."""
    before, after = _measure_answers(pairs, "before"), _measure_answers(pairs, "after")
    both = np.hstack([before, after])
    draws, rows = ratio_draws(both, bootstrap), mean_draws(both, bootstrap)
    width, n = before.shape[1], len(pairs)
    means = [
        change(
            name,
            Figure(float(before[:, i].mean()), rows[:, i]),
            Figure(float(after[:, i].mean()), rows[:, width + i]),
            n=n,
            bootstrap=bootstrap,
            higher_is_better=name != "repetition",
        )
        for i, name in enumerate(_METRICS)
    ]
    corpus = change(
        "bleu",
        _measure_bleu(before, draws[:, :width]),
        _measure_bleu(after, draws[:, width:]),
        n=n,
        bootstrap=bootstrap,
        higher_is_better=True,
    )
    place = _METRICS.index("token_f1")
    return (*means, corpus), (before[:, place], after[:, place])


_METRICS = (*ROW_METRICS, "repetition")


def _measure_answers(pairs: Sequence[AnswerPair], side: Literal["before", "after"]) -> Array:
    """Return the metrics of each row, then what corpus BLEU sums."""
    answers = [getattr(pair, side) for pair in pairs]
    references = [pair.reference or "" for pair in pairs]
    rows = [
        [*(metric(said, wanted) for metric in ROW_METRICS.values()), repetition(said)]
        for said, wanted in zip(answers, references, strict=True)
    ]
    return np.hstack([np.asarray(rows, dtype=np.float64), bleu_counts(answers, references)])


def _measure_bleu(rows: Array, draws: Array) -> Figure:
    counts = slice(len(_METRICS), None)
    return Figure(bleu(rows[:, counts].sum(0)), np.array([bleu(one[counts]) for one in draws]))


def _compare_golden(
    pair: ModelPair, questions: QuestionSet, setting: ComparisonSetting
) -> Golden | None:
    if questions.golden is None:
        return None
    bootstrap = setting.make_bootstrap(questions.seed, questions.golden)
    scored = pair.score_rows(questions.golden)
    changes: tuple[Change, ...] = compare_language(scored, bootstrap)
    wins = count_loss_wins(scored, bootstrap)
    if "answer" in questions.golden.columns:
        limit, shown = setting.compare.max_new_tokens, questions.shown
        held = _ask_both(pair, _read_pairs(questions.golden), limit, shown)
        answered, f1 = compare_answer_metrics(held, bootstrap)
        changes = (*changes, *answered)
        wins = (*wins, win_rate("answers with higher token F1", f1[1] - f1[0], bootstrap))
    return Golden(
        source=setting.compare.golden or "golden",
        n=questions.golden.height,
        changes=changes,
        wins=wins,
    )
