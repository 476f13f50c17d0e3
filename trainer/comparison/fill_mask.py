"""Masks of the prompts before and after: top k, moves, divergence, mass, targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from siftset.schemas.results.comparison import (
    Change,
    MaskChange,
    Mass,
    MlmComparison,
    Move,
    PromptChange,
    RankMove,
    Target,
    WinRate,
    WordListInfo,
)
from siftset.trainer.comparison.questions import Prompt
from siftset.trainer.inference.adapters import MaskFill, likeliest_tokens
from siftset.trainer.inference.protocols import MaskedModel, TokenVocabulary
from siftset.trainer.inference.word_lists import (
    find_members,
    find_token_ids,
    flag_junk,
    strip_mark,
)
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    change,
    mean_draws,
    win_rate,
)

_PROMPTS_AT_ONCE = 16
_BETTER_WHEN_HIGHER = {"positive": True, "negative": False, "junk": False}


@dataclass(frozen=True, slots=True)
class VocabularyLists:
    """Flags of the vocabulary of one model, by list."""

    flags: dict[str, Flags]
    infos: tuple[WordListInfo, ...] = ()

    @classmethod
    def find_words(
        cls, words: Mapping[str, Sequence[str]], vocabulary: TokenVocabulary
    ) -> VocabularyLists:
        """Find the lists' words in a vocabulary, and its junk."""
        found = {name: find_members(name, listed, vocabulary) for name, listed in words.items()}
        flags = {name: flag for name, (_, flag) in found.items()}
        return cls(
            flags | {"junk": flag_junk(vocabulary)}, tuple(info for info, _ in found.values())
        )

    def sum_masses(self, fill: MaskFill) -> dict[str, float]:
        """Return the probability on each list."""
        probs = fill.probs
        return {name: float(probs[flag].sum()) for name, flag in self.flags.items()}


@dataclass(frozen=True, slots=True)
class MaskedPair:
    """Both models and what is measured of them; `same` says that they share a vocabulary."""

    before: MaskedModel
    after: MaskedModel
    words: Mapping[str, Sequence[str]]
    top_k: int = 5
    bars: int = 10
    lists: tuple[VocabularyLists, VocabularyLists] = field(init=False)
    same: bool = field(init=False)

    def __post_init__(self) -> None:
        sides = (self.before.vocabulary, self.after.vocabulary)
        lists = tuple(VocabularyLists.find_words(self.words, side) for side in sides)
        object.__setattr__(self, "lists", lists)
        object.__setattr__(self, "same", sides[0].tokens == sides[1].tokens)


def compare_masks(
    pair: MaskedPair, prompts: Sequence[Prompt], bootstrap: Bootstrap | None = None
) -> MlmComparison:
    """Fill every mask of every prompt with both models; memory is bounded by a few prompts."""
    bootstrap = bootstrap or Bootstrap()
    changes = []
    for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
        some = prompts[start : start + _PROMPTS_AT_ONCE]
        texts = [prompt.text for prompt in some]
        answers = pair.before.fill_masks(texts), pair.after.fill_masks(texts)
        for prompt, before, after in zip(some, *answers, strict=True):
            both = zip(before, after, strict=True)
            found = tuple(
                _compare_mask(
                    pair, prompt, i, (MaskFill.rank_tokens(old), MaskFill.rank_tokens(new))
                )
                for i, (old, new) in enumerate(both)
            )
            changes.append(PromptChange(prompt=prompt.text, masks=found))
    masks = [mask for prompt in changes for mask in prompt.masks]
    groups = np.repeat(np.arange(len(changes)), [len(prompt.masks) for prompt in changes])
    bootstrap = bootstrap.over_rows(len(masks), groups)  # masks of one prompt are not independent
    return MlmComparison(
        top_k=pair.top_k,
        prompts=tuple(changes),
        lists=pair.lists[1].infos,
        mass=tuple(_compare_masses(masks, bootstrap)),
        wins=tuple(_count_wins(masks, bootstrap)),
    )


def _compare_mask(
    pair: MaskedPair, prompt: Prompt, mask: int, fills: tuple[MaskFill, MaskFill]
) -> MaskChange:
    before, after = fills
    kl, js = measure_divergence(before.log_probs, after.log_probs) if pair.same else (None, None)
    masses = [lists.sum_masses(fill) for lists, fill in zip(pair.lists, fills, strict=True)]
    sides = (pair.before.vocabulary, pair.after.vocabulary)
    n = max(pair.bars, pair.top_k)
    return MaskChange(
        mask=mask,
        before=likeliest_tokens(before, sides[0], (prompt.text, mask), n),
        after=likeliest_tokens(after, sides[1], (prompt.text, mask), n),
        moves=rank_moves(before, after, sides[0], pair.top_k) if pair.same else (),
        kl=kl,
        js=js,
        entropy_before=before.measure_entropy(),
        entropy_after=after.measure_entropy(),
        mass=tuple(Mass(name=k, before=masses[0][k], after=masses[1][k]) for k in masses[0]),
        target=_compare_target(prompt, fills, sides),
    )


def measure_divergence(before: Array, after: Array) -> tuple[float, float]:
    """Return KL(after || before) and the Jensen-Shannon divergence, nats, of log-probabilities."""
    mixed = np.logaddexp(before, after) - np.log(2)
    old, new = np.exp(before), np.exp(after)
    kl = _sum_where(new, after - before)
    js = (_sum_where(old, before - mixed) + _sum_where(new, after - mixed)) / 2
    return max(kl, 0.0), max(js, 0.0)


def _sum_where(probs: Array, values: Array) -> float:
    return float((probs[probs > 0] * values[probs > 0]).sum())


def rank_moves(
    before: MaskFill, after: MaskFill, vocabulary: TokenVocabulary, top_k: int
) -> tuple[RankMove, ...]:
    """Return how each token of either top k moved: those of after first, then those gone."""
    moves: dict[int, Move] = {-1: "up", 0: "same", 1: "down"}
    tokens = dict.fromkeys((*after.order[:top_k].tolist(), *before.order[:top_k].tolist()))
    old = {int(token): rank for rank, token in enumerate(before.order, 1) if token in tokens}
    new = {int(token): rank for rank, token in enumerate(after.order, 1) if token in tokens}
    return tuple(
        RankMove(
            token=strip_mark(vocabulary.tokens[token]),
            before_rank=old[token],
            after_rank=new[token],
            before=float(np.exp(before.log_probs[token])),
            after=float(np.exp(after.log_probs[token])),
            move="in"
            if old[token] > top_k
            else "out"
            if new[token] > top_k
            else moves[int(np.sign(new[token] - old[token]))],
        )
        for token in tokens
    )


def _compare_target(
    prompt: Prompt, fills: tuple[MaskFill, MaskFill], sides: tuple[TokenVocabulary, TokenVocabulary]
) -> Target | None:
    if prompt.target is None:
        return None
    ranks, odds = zip(
        *(_rank_target(prompt, fill, side) for fill, side in zip(fills, sides, strict=True)),
        strict=True,
    )
    return Target(
        word=prompt.target,
        against=prompt.against,
        before_rank=ranks[0],
        after_rank=ranks[1],
        before_log_odds=odds[0],
        after_log_odds=odds[1],
    )


def _rank_target(
    prompt: Prompt, fill: MaskFill, vocabulary: TokenVocabulary
) -> tuple[int | None, float | None]:
    """Return a target's rank and log-odds; None where it is not one token of the vocabulary."""
    ids = list(find_token_ids(prompt.target or "", vocabulary))
    if not ids:
        return None, None
    best = min(fill.find_rank(token) for token in ids)
    wanted = np.logaddexp.reduce(fill.log_probs[ids])
    if prompt.against is None:
        return best, float(wanted - np.log1p(-min(np.exp(wanted), 1 - 1e-12)))
    others = list(find_token_ids(prompt.against, vocabulary))
    return best, float(wanted - np.logaddexp.reduce(fill.log_probs[others])) if others else None


def _compare_masses(masks: Sequence[MaskChange], bootstrap: Bootstrap) -> Iterator[Change]:
    if not masks:
        return
    names = [mass.name for mass in masks[0].mass]
    before = np.array([[mass.before for mass in mask.mass] for mask in masks])
    after = np.array([[mass.after for mass in mask.mass] for mask in masks])
    draws = mean_draws(np.hstack([before, after]), bootstrap)
    for i, name in enumerate(names):
        yield change(
            f"{name}_mass",
            Figure(before[:, i].mean(), draws[:, i]),
            Figure(after[:, i].mean(), draws[:, len(names) + i]),
            n=len(masks),
            bootstrap=bootstrap,
            higher_is_better=_BETTER_WHEN_HIGHER.get(name),
        )


def _count_wins(masks: Sequence[MaskChange], bootstrap: Bootstrap) -> Iterator[WinRate]:
    for name, better in _BETTER_WHEN_HIGHER.items():
        sign = 1 if better else -1
        rises = [m.after - m.before for mask in masks for m in mask.mass if m.name == name]
        if rises and name != "junk":
            verb = "rose" if better else "fell"
            yield win_rate(f"{name} mass {verb}", sign * np.array(rises), bootstrap)
    targets = [mask.target for mask in masks if mask.target is not None]
    odds = [
        target.after_log_odds - target.before_log_odds
        for target in targets
        if target.before_log_odds is not None and target.after_log_odds is not None
    ]
    if odds:
        yield win_rate("target log-odds rose", np.array(odds), bootstrap)
