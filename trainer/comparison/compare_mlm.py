"""Two masked language models, compared on a set of questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from siftset.schemas.results.comparison import Golden
from siftset.trainer.comparison.context import Part, Setting, Side, need
from siftset.trainer.comparison.fill_mask import Pair, compare_masks
from siftset.trainer.comparison.held_out import (
    Scored,
    forgetting,
    language_changes,
    language_slices,
    loss_wins,
)
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.protocols import MaskedModel


def compare_masked(
    before: Side | None, after: Side, questions: QuestionSet, setting: Setting
) -> Part:
    """Compare two masked language models."""
    old, new = need(before, MaskedModel, "mlm"), need(after, MaskedModel, "mlm")  # type: ignore[type-abstract]
    bootstrap = setting.bootstrap(questions.seed)
    words, notes = setting.words()
    pair = Pair(old, new, words, setting.compare.top_k, setting.compare.bars)
    found = compare_masks(pair, questions.prompts, bootstrap)
    scored = _score(pair, questions.rows, questions.seed)
    golden = None if questions.golden is None else _score(pair, questions.golden, questions.seed)
    general = _score(pair, general_rows(questions), questions.seed) if questions.general else None
    return Part(
        changes=language_changes(scored, bootstrap),
        mlm=found.model_copy(
            update={
                "wins": (*found.wins, *loss_wins(scored, bootstrap)),
                "slices": language_slices(
                    questions.rows, scored, setting.compare.slices, bootstrap
                ),
            }
        ),
        forgetting=forgetting(scored, general, bootstrap, setting.compare.max_general_ppl_increase),
        golden=None
        if golden is None
        else Golden(
            source=setting.compare.golden or "golden",
            n=len(golden[1]),
            changes=language_changes(golden, bootstrap),
            wins=loss_wins(golden, bootstrap),
        ),
        warnings=tuple(_head_warnings((before, after))),
        notes=notes if pair.same else (*notes, _OTHER_VOCABULARY),
    )


_OTHER_VOCABULARY = (
    "the models have different vocabularies: masks and perplexities are not of the same tokens, "
    "and divergences and rank moves are left out"
)


def general_rows(questions: QuestionSet) -> pl.DataFrame:
    """Return the general text as rows, keyed by their number."""
    numbers = [f"general {i}" for i in range(len(questions.general))]
    return pl.DataFrame({"row_id": numbers, "text": list(questions.general)})


def _score(pair: Pair, rows: pl.DataFrame, seed: int) -> Scored:
    texts, keys = rows["text"].to_list(), rows["row_id"].cast(pl.String).to_list()
    return pair.before.score(texts, keys, seed), pair.after.score(texts, keys, seed)


def _head_warnings(sides: Sequence[Side | None]) -> Iterator[str]:
    for side in sides:
        if side is not None and side.info.head == "untrained":
            yield (
                f"the head of '{side.info.name}' was newly initialised: what it says of masks is "
                "noise, and a comparison with it shows the training of the head, not of the model"
            )
