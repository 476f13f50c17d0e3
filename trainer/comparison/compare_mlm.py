"""Two masked language models, compared on a set of questions."""

from __future__ import annotations

import polars as pl

from siftset.schemas.results.comparison import Golden
from siftset.trainer.comparison.context import ComparisonSetting, TaskComparison, require_model
from siftset.trainer.comparison.fill_mask import MaskedPair, compare_masks
from siftset.trainer.comparison.held_out import (
    Scored,
    compare_language,
    compare_language_slices,
    count_loss_wins,
    judge_forgetting,
)
from siftset.trainer.comparison.predictions import tabulate_losses
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.slices import note_small_slices
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import MaskedModel


def compare_mlm(
    before: ModelSide | None, after: ModelSide, questions: QuestionSet, setting: ComparisonSetting
) -> TaskComparison:
    """Compare two masked language models."""
    old, new = require_model(before, MaskedModel, "mlm"), require_model(after, MaskedModel, "mlm")  # type: ignore[type-abstract]
    bootstrap = setting.make_bootstrap(questions.seed, questions.rows)
    words, notes = setting.read_word_lists()
    pair = MaskedPair(old, new, words, setting.compare.top_k, setting.compare.bars)
    found = compare_masks(pair, questions.prompts, bootstrap)
    scored = _score_both(pair, questions.rows, questions.seed)
    names = ("" if before is None else before.info.name, after.info.name)
    setting.keep(tabulate_losses(questions.rows, scored, names))
    slices = setting.compare.slices
    held_out = {
        "wins": (*found.wins, *count_loss_wins(scored, bootstrap)),
        "slices": compare_language_slices(questions.rows, scored, slices, bootstrap),
    }
    changes, texts = compare_language(scored, bootstrap), general_rows(questions)
    other = () if pair.same else (_OTHER_VOCABULARY,)
    return TaskComparison(
        changes=changes,
        mlm=found.model_copy(update=held_out),
        forgetting=judge_forgetting(
            changes[1],
            _score_both(pair, texts, questions.seed) if questions.general else None,
            setting.make_bootstrap(questions.seed, texts),
            setting.compare.max_general_ppl_increase,
        ),
        golden=_compare_golden(pair, questions, setting),
        warnings=tuple(
            _UNTRAINED.format(side.info.name)
            for side in (before, after)
            if side is not None and side.info.head == "untrained"
        ),
        notes=(*notes, *other, *note_small_slices(questions.rows, slices)),
    )


def _compare_golden(
    pair: MaskedPair, questions: QuestionSet, setting: ComparisonSetting
) -> Golden | None:
    if questions.golden is None:
        return None
    scored = _score_both(pair, questions.golden, questions.seed)
    bootstrap = setting.make_bootstrap(questions.seed, questions.golden)
    return Golden(
        source=setting.compare.golden or "golden",
        n=questions.golden.height,
        changes=compare_language(scored, bootstrap),
        wins=count_loss_wins(scored, bootstrap),
    )


_UNTRAINED = (
    "the head of '{}' was newly initialised: what it says of masks is noise, and a comparison "
    "with it shows the training of the head, not of the model"
)
_OTHER_VOCABULARY = (
    "the models have different vocabularies: masks and perplexities are not of the same tokens, "
    "and divergences and rank moves are left out"
)


def general_rows(questions: QuestionSet) -> pl.DataFrame:
    """Return the general text as rows, keyed by their number."""
    numbers = [f"general {i}" for i in range(len(questions.general))]
    return pl.DataFrame({"row_id": numbers, "text": list(questions.general)})


def _score_both(pair: MaskedPair, rows: pl.DataFrame, seed: int) -> Scored:
    texts, keys = rows["text"].to_list(), rows["row_id"].cast(pl.String).to_list()
    return pair.before.score_masked(texts, keys, seed), pair.after.score_masked(texts, keys, seed)
