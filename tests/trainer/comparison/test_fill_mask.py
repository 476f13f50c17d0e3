from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from siftset.schemas.errors import RecipeError, TrainingError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import Comparison, ModelInfo
from siftset.trainer.comparison import (
    ComparisonSetting,
    ModelSide,
    Prompt,
    QuestionSet,
    compare_models,
)
from siftset.trainer.comparison.fill_mask import MaskedPair, compare_masks, measure_divergence
from siftset.trainer.inference.adapters import MaskedLM, draw_frozen_mask, iter_batches
from siftset.trainer.inference.protocols import TokenVocabulary
from siftset.trainer.inference.word_lists import MASKS, fill_sentence, find_members, flag_junk

VOCABULARY = TokenVocabulary(("[MASK]", "good", "bad", "expensive", "!", "##s"), frozenset({0}))


class Saying:
    """A masked model that is a table: token -> probability."""

    def __init__(self, says: Mapping[str, float], loss: float = 1.0) -> None:
        self.vocabulary = VOCABULARY
        probs = np.full(len(VOCABULARY), 1e-9)
        for token, probability in says.items():
            probs[VOCABULARY.tokens.index(token)] = probability
        self.log_probs, self.loss = np.log(probs / probs.sum()), loss

    def fill_masks(self, prompts):
        return [np.tile(self.log_probs, (len(MASKS.findall(p)), 1)) for p in prompts]

    def score_masked(self, texts, keys, seed):
        hits = self.loss < 2
        return np.array([[self.loss * len(t), len(t), hits, hits, len(t) / 2] for t in texts])


BEFORE = Saying({"expensive": 0.5, "good": 0.2, "bad": 0.2, "!": 0.1}, loss=3.0)
AFTER = Saying({"good": 0.7, "bad": 0.1, "expensive": 0.05, "##s": 0.15}, loss=1.0)
WORDS = {"positive": ("good", "splendid"), "negative": ("bad", "expensive")}


def filled(top_k: int = 2):
    prompt = Prompt("Nike shoes are [MASK].", target="good", against="expensive")
    return compare_masks(MaskedPair(BEFORE, AFTER, WORDS, top_k), [prompt])


def test_top_k_moves_are_named():
    moves = {move.token: move for move in filled().prompts[0].masks[0].moves}
    named = {token: move.move for token, move in moves.items()}
    assert named == {"good": "up", "##s": "in", "expensive": "out"}
    assert (moves["good"].before_rank, moves["good"].after_rank) == (2, 1)


def test_every_mask_gets_tokens_probabilities_and_sentences():
    found = compare_masks(MaskedPair(BEFORE, AFTER, WORDS), [Prompt("<mask> shoes are [MASK].")])
    first, second = found.prompts[0].masks
    assert first.after[0].sentence == "good shoes are [MASK]."
    assert second.after[0].sentence == "<mask> shoes are good."
    assert second.after[1].sentence == "<mask> shoes ares."
    assert second.after[0].probability == pytest.approx(0.7)


def test_mass_of_lists_and_junk():
    mass = {m.name: m for m in filled().prompts[0].masks[0].mass}
    assert (mass["positive"].before, mass["positive"].after) == pytest.approx((0.2, 0.7))
    assert (mass["negative"].before, mass["negative"].after) == pytest.approx((0.7, 0.15))
    assert (mass["junk"].before, mass["junk"].after) == pytest.approx((0.1, 0.15))
    assert filled().lists[0].skipped == ("splendid",)


def test_the_target_climbs():
    target = filled().prompts[0].masks[0].target
    assert (target.before_rank, target.after_rank) == (2, 1)
    assert target.before_log_odds == pytest.approx(np.log(0.2 / 0.5))
    assert target.after_log_odds == pytest.approx(np.log(0.7 / 0.05))


class Wavering(Saying):
    """Says good of some shoes more than of others."""

    def fill_masks(self, prompts):
        rows = []
        for prompt in prompts:
            log_probs = self.log_probs.copy()
            log_probs[1] -= 0.1 * (len(prompt) % 3)
            log_probs -= np.logaddexp.reduce(log_probs)
            rows.append(np.tile(log_probs, (len(MASKS.findall(prompt)), 1)))
        return rows


def test_mass_rise_over_prompts_has_an_interval():
    prompts = [Prompt(f"Shoe {'i' * i} is [MASK]") for i in range(12)]
    after = Wavering({"good": 0.7, "bad": 0.1, "expensive": 0.05, "##s": 0.15})
    found = compare_masks(MaskedPair(BEFORE, after, WORDS), prompts)
    rise = found.mass[0]
    assert (rise.name, rise.n, rise.verdict) == ("positive_mass", 12, "better")
    assert 0.45 < rise.interval.low < rise.difference < rise.interval.high < 0.5
    assert found.wins[0].value == 1.0
    assert found.wins[0].interval.low > 0.5


@pytest.mark.parametrize("masks", [1, 12])
def test_the_masks_of_one_prompt_are_one_unit_and_prove_nothing(masks):
    found = compare_masks(MaskedPair(BEFORE, AFTER, WORDS), [Prompt("It is" + " [MASK]" * masks)])
    for one in found.mass:
        assert (one.interval, one.before_interval, one.verdict) == (None, None, "not judged")
    assert [one.interval for one in found.wins] == [None, None]


@pytest.mark.parametrize("seed", range(5))
def test_divergences_are_those_of_scipy(seed: int):
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    old, new = np.random.default_rng(seed).dirichlet(np.ones(20), 2)
    kl, js = measure_divergence(np.log(old), np.log(new))
    assert kl == pytest.approx(entropy(new, old))
    assert js == pytest.approx(jensenshannon(old, new) ** 2)


def test_a_model_against_itself_did_not_change():
    found = compare_masks(MaskedPair(AFTER, AFTER, WORDS), [Prompt("It is [MASK]")])
    mask = found.prompts[0].masks[0]
    assert (mask.kl, mask.js) == pytest.approx((0, 0), abs=1e-12)
    assert {move.move for move in mask.moves} == {"same"}


def side(model: object, name: str, head: str = "trained") -> ModelSide:
    return ModelSide(model, ModelInfo(name=name, head=head))


def asked(rows: int = 20) -> QuestionSet:
    frame = pl.DataFrame({"row_id": [str(i) for i in range(rows)], "text": ["abc"] * rows})
    return QuestionSet(frame, (Prompt("Shoes are [MASK]"),), general=("general text",) * 5)


def test_the_whole_comparison_is_json_and_back():
    setting = ComparisonSetting(Compare(max_general_ppl_increase=0.1, resamples=50))
    found = compare_models("mlm", side(BEFORE, "old"), side(AFTER, "new"), asked(), setting)
    assert found.metrics["before"]["loss"] == pytest.approx(3.0)
    assert found.metrics["after"]["perplexity"] == pytest.approx(np.e)
    assert found.metrics["after"]["accuracy_at_1"] == pytest.approx(1 / 3)
    assert found.forgetting.verdict == "pass"
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_parts_of_the_rows_are_measured_apart():
    frame = pl.DataFrame(
        {
            "row_id": [str(i) for i in range(22)],
            "text": ["abcd"] * 10 + ["ab"] * 12,
            "source": [{"file": "a"}] * 10 + [{"file": "b"}] * 12,
        }
    )
    questions = QuestionSet(frame, (Prompt("Shoes are [MASK]"),))
    setting = ComparisonSetting(Compare(resamples=50, slices=("source", "none")))
    found = compare_models("mlm", side(BEFORE, "old"), side(AFTER, "new"), questions, setting)
    named = {(one.value, one.change.name): one.change for one in found.mlm.slices}
    accuracy = [named[value, "accuracy_at_1"] for value in "ab"]
    assert [one.n for one in accuracy] == [10, 12]
    assert [one.after for one in accuracy] == pytest.approx([1 / 4, 1 / 2])
    assert [one.before for one in accuracy] == [0, 0]
    whole = found.metrics["after"]["accuracy_at_1"]
    assert whole == pytest.approx((10 * 4 * 1 / 4 + 12 * 2 * 1 / 2) / (10 * 4 + 12 * 2))
    assert named["a", "perplexity"].after == pytest.approx(np.e)


def test_the_gate_trips_when_general_text_is_forgotten():
    setting = ComparisonSetting(Compare(max_general_ppl_increase=0.1, resamples=50))
    found = compare_models("mlm", side(AFTER, "old"), side(BEFORE, "new"), asked(), setting)
    assert found.forgetting.verdict == "fail"
    assert found.forgetting.increase == pytest.approx(np.exp(2) - 1)
    assert found.changes[0].difference == pytest.approx(2)
    assert found.changes[0].verdict == "not judged"  # three rows


def test_an_untrained_head_is_said_aloud():
    found = compare_models(
        "mlm", side(BEFORE, "minilm", "untrained"), side(AFTER, "new"), asked(), ComparisonSetting()
    )
    assert "newly initialised" in found.warnings[0]


def test_a_model_that_does_not_fit_is_an_error():
    with pytest.raises(TrainingError, match="'old' does not fit the task mlm"):
        compare_models(
            "mlm", side(object(), "old"), side(AFTER, "new"), asked(), ComparisonSetting()
        )


@pytest.mark.parametrize(
    ("token", "mask", "expected"),
    [
        ("good", 0, "a good b [MASK]."),
        ("##s", 1, "a <mask> bs."),
        ("\u0120good", 1, "a <mask> b good."),
        ("\u2581good", 0, "a good b [MASK]."),
    ],
)
def test_a_sentence_is_whole(token, mask, expected):
    assert fill_sentence("a <mask> b [MASK].", mask, token) == expected


def test_pieces_of_a_marked_vocabulary_are_junk():
    vocabulary = TokenVocabulary(
        ("\u0120good", "ness", "\u0120!", "<s>", "\u0120Bad"), frozenset({3})
    )
    assert flag_junk(vocabulary).tolist() == [False, True, True, True, False]
    info, flags = find_members("n", ("bad", "ness"), vocabulary)
    assert (info.words, info.skipped) == (("bad",), ("ness",))
    assert flags.tolist() == [False, False, False, False, True]


def test_frozen_masks_depend_on_seed_and_key_alone():
    usable = np.array([False, *[True] * 40, False])
    one = draw_frozen_mask(1, "a", usable)
    assert np.array_equal(one, draw_frozen_mask(1, "a", usable))
    assert not np.array_equal(one, draw_frozen_mask(1, "b", usable))
    assert not np.array_equal(one, draw_frozen_mask(2, "a", usable))
    assert draw_frozen_mask(1, "a", np.array([False, True, False])).tolist() == [False, True, False]
    assert not draw_frozen_mask(1, "a", np.zeros(3, bool)).any()
    share = np.mean([draw_frozen_mask(1, str(i), usable)[1:-1].mean() for i in range(500)])
    assert share == pytest.approx(0.15, abs=0.01)


def test_batches_keep_to_their_budget_and_hold_every_text_once():
    lengths = [3, 50, 7, 7, 200, 1]
    batches = list(iter_batches(lengths, 60))
    assert sorted(int(i) for batch in batches for i in batch) == list(range(6))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 60 for b in batches)


TEXTS = ["the shoes are very good", "a film was not great .", "fun", "i liked it !" * 4, ""]


def test_scores_do_not_depend_on_the_batch_and_equal_the_full_head(masked_model, wordpiece):
    import torch

    model = MaskedLM(masked_model(1), wordpiece, max_length=32)
    keys = [str(i) for i in range(len(TEXTS))]
    together = model.score_masked(TEXTS, keys, 5)
    alone = np.vstack([model.score_masked([t], [k], 5) for t, k in zip(TEXTS, keys, strict=True)])
    assert together == pytest.approx(alone, rel=2e-6, abs=1e-5)
    row = wordpiece(TEXTS[0])["input_ids"]
    mask = draw_frozen_mask(5, "0", ~np.isin(row, wordpiece.all_special_ids))
    hidden = torch.where(torch.from_numpy(mask), wordpiece.mask_token_id, torch.tensor(row))
    with torch.inference_mode():
        logits = model.model(hidden[None]).logits[0].log_softmax(-1)
    expected = -sum(float(logits[i, row[i]]) for i in np.flatnonzero(mask))
    assert together[0, 0] == pytest.approx(expected, rel=2e-6, abs=1e-5)
    assert together[:, 1].tolist()[-1] == 0


def test_fill_gives_a_distribution_for_every_mask(masked_model, wordpiece):
    model = MaskedLM(masked_model(1), wordpiece)
    filled = model.fill_masks(["the [MASK] are <mask>", "[MASK]"])
    assert [f.shape for f in filled] == [(2, len(wordpiece)), (1, len(wordpiece))]
    assert np.exp(filled[0]).sum(1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [("the shoes", "has no mask"), ("very " * 40 + "[MASK]", "shorten it")],
)
def test_a_prompt_without_its_masks_is_refused(masked_model, wordpiece, prompt, message):
    with pytest.raises(RecipeError, match=message):
        MaskedLM(masked_model(1), wordpiece).fill_masks([prompt])


def test_two_real_models_are_compared(masked_model, wordpiece):
    sides = [side(MaskedLM(masked_model(i), wordpiece), f"m{i}") for i in (1, 2)]
    frame = pl.DataFrame({"row_id": list("abcd"), "text": TEXTS[:4]})
    setting = ComparisonSetting(Compare(resamples=50))
    questions = QuestionSet(frame, (Prompt("the shoes are [MASK]"),))
    found = compare_models("mlm", *sides, questions, setting)
    assert found.metrics["before"]["loss"] != found.metrics["after"]["loss"]
    assert found.mlm.prompts[0].masks[0].kl > 0
    again = compare_models("mlm", *sides, questions, setting)
    assert again == found
