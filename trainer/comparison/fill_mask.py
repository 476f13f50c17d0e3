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
    Token,
    WinRate,
    WordListInfo,
)
from siftset.trainer.comparison.questions import Prompt
from siftset.trainer.inference.protocols import MaskedModel, Vocabulary
from siftset.trainer.inference.word_lists import junk, members, sentence, surface, token_ids
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    Integers,
    change,
    ratio_draws,
    win_rate,
)

_PROMPTS_AT_ONCE = 16
_BETTER_WHEN_HIGHER = {"positive": True, "negative": False, "junk": False}


@dataclass(frozen=True, slots=True)
class Fill:
    """One mask of one model: log-probabilities of the whole vocabulary, while they are needed."""

    log_probs: Array
    order: Integers

    @classmethod
    def of(cls, log_probs: Array) -> Fill:
        """Rank the tokens, likeliest first; equal ones by id."""
        log_probs = np.asarray(log_probs, dtype=np.float64)
        return cls(log_probs, np.argsort(-log_probs, kind="stable"))

    @property
    def probs(self) -> Array:
        """Return the probabilities."""
        return np.exp(self.log_probs)

    def rank(self, token: int) -> int:
        """Return the rank of a token, from 1."""
        return int((self.log_probs > self.log_probs[token]).sum()) + 1

    def entropy(self) -> float:
        """Return the entropy in nats."""
        return float(-(self.probs * np.maximum(self.log_probs, -700)).sum())


@dataclass(frozen=True, slots=True)
class Lists:
    """Flags of the vocabulary of one model, by list."""

    flags: dict[str, Flags]
    infos: tuple[WordListInfo, ...] = ()

    @classmethod
    def of(cls, words: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> Lists:
        """Find the lists' words in a vocabulary, and its junk."""
        found = {name: members(name, listed, vocabulary) for name, listed in words.items()}
        flags = {name: flag for name, (_, flag) in found.items()}
        return cls(flags | {"junk": junk(vocabulary)}, tuple(info for info, _ in found.values()))

    def mass(self, fill: Fill) -> dict[str, float]:
        """Return the probability on each list."""
        probs = fill.probs
        return {name: float(probs[flag].sum()) for name, flag in self.flags.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """Both models and what is measured of them; `same` says that they share a vocabulary."""

    before: MaskedModel
    after: MaskedModel
    words: Mapping[str, Sequence[str]]
    top_k: int = 5
    bars: int = 10
    lists: tuple[Lists, Lists] = field(init=False)
    same: bool = field(init=False)

    def __post_init__(self) -> None:
        sides = (self.before.vocabulary, self.after.vocabulary)
        lists = tuple(Lists.of(self.words, side) for side in sides)
        object.__setattr__(self, "lists", lists)
        object.__setattr__(self, "same", sides[0].tokens == sides[1].tokens)


def compare_masks(
    pair: Pair, prompts: Sequence[Prompt], bootstrap: Bootstrap | None = None
) -> MlmComparison:
    """Fill every mask of every prompt with both models; memory is bounded by a few prompts."""
    bootstrap = bootstrap or Bootstrap()
    changes = tuple(_prompts(pair, prompts))
    masks = [mask for prompt in changes for mask in prompt.masks]
    return MlmComparison(
        top_k=pair.top_k,
        prompts=changes,
        lists=pair.lists[1].infos,
        mass=tuple(_mass_changes(masks, bootstrap)),
        wins=tuple(_wins(masks, bootstrap)),
    )


def _prompts(pair: Pair, prompts: Sequence[Prompt]) -> Iterator[PromptChange]:
    for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
        some = prompts[start : start + _PROMPTS_AT_ONCE]
        texts = [prompt.text for prompt in some]
        filled = zip(some, pair.before.fill(texts), pair.after.fill(texts), strict=True)
        for prompt, before, after in filled:
            masks = enumerate(zip(before, after, strict=True))
            yield PromptChange(
                prompt=prompt.text,
                masks=tuple(
                    _mask_change(pair, prompt, i, (Fill.of(old), Fill.of(new)))
                    for i, (old, new) in masks
                ),
            )


def _mask_change(pair: Pair, prompt: Prompt, mask: int, fills: tuple[Fill, Fill]) -> MaskChange:
    before, after = fills
    kl, js = divergence(before.log_probs, after.log_probs) if pair.same else (None, None)
    masses = [lists.mass(fill) for lists, fill in zip(pair.lists, fills, strict=True)]
    sides = (pair.before.vocabulary, pair.after.vocabulary)
    n = max(pair.bars, pair.top_k)
    return MaskChange(
        mask=mask,
        before=likeliest(before, sides[0], (prompt.text, mask), n),
        after=likeliest(after, sides[1], (prompt.text, mask), n),
        moves=rank_moves(before, after, sides[0], pair.top_k) if pair.same else (),
        kl=kl,
        js=js,
        entropy_before=before.entropy(),
        entropy_after=after.entropy(),
        mass=tuple(Mass(name=k, before=masses[0][k], after=masses[1][k]) for k in masses[0]),
        target=_target(prompt, fills, sides),
    )


def likeliest(
    fill: Fill, vocabulary: Vocabulary, place: tuple[str, int], n: int
) -> tuple[Token, ...]:
    """Return the n likeliest tokens at a mask of a prompt, each with the whole sentence."""
    prompt, mask = place
    return tuple(
        Token(
            token=surface(vocabulary.tokens[i]),
            probability=float(np.exp(fill.log_probs[i])),
            sentence=sentence(prompt, mask, vocabulary.tokens[i]),
        )
        for i in fill.order[:n]
    )


def divergence(before: Array, after: Array) -> tuple[float, float]:
    """Return KL(after || before) and the Jensen-Shannon divergence, nats, of log-probabilities."""
    mixed = np.logaddexp(before, after) - np.log(2)
    old, new = np.exp(before), np.exp(after)
    kl = _sum_where(new, after - before)
    js = (_sum_where(old, before - mixed) + _sum_where(new, after - mixed)) / 2
    return max(kl, 0.0), max(js, 0.0)


def _sum_where(probs: Array, values: Array) -> float:
    return float((probs[probs > 0] * values[probs > 0]).sum())


def rank_moves(
    before: Fill, after: Fill, vocabulary: Vocabulary, top_k: int
) -> tuple[RankMove, ...]:
    """Return how each token of either top k moved: those of after first, then those gone."""
    tokens = dict.fromkeys((*after.order[:top_k].tolist(), *before.order[:top_k].tolist()))
    old = {int(token): rank for rank, token in enumerate(before.order, 1) if token in tokens}
    new = {int(token): rank for rank, token in enumerate(after.order, 1) if token in tokens}
    return tuple(
        RankMove(
            token=surface(vocabulary.tokens[token]),
            before_rank=old[token],
            after_rank=new[token],
            before=float(np.exp(before.log_probs[token])),
            after=float(np.exp(after.log_probs[token])),
            move=_move(old[token], new[token], top_k),
        )
        for token in tokens
    )


def _move(before: int, after: int, top_k: int) -> Move:
    if before > top_k:
        return "in"
    if after > top_k:
        return "out"
    return "same" if before == after else ("up" if after < before else "down")


def _target(
    prompt: Prompt, fills: tuple[Fill, Fill], sides: tuple[Vocabulary, Vocabulary]
) -> Target | None:
    if prompt.target is None:
        return None
    ranks, odds = zip(
        *(_stand(prompt, fill, side) for fill, side in zip(fills, sides, strict=True)),
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


def _stand(prompt: Prompt, fill: Fill, vocabulary: Vocabulary) -> tuple[int | None, float | None]:
    """Return a target's rank and log-odds; None where it is not one token of the vocabulary."""
    ids = list(token_ids(prompt.target or "", vocabulary))
    if not ids:
        return None, None
    best = min(fill.rank(token) for token in ids)
    wanted = np.logaddexp.reduce(fill.log_probs[ids])
    if prompt.against is None:
        return best, float(wanted - np.log1p(-min(np.exp(wanted), 1 - 1e-12)))
    others = list(token_ids(prompt.against, vocabulary))
    return best, float(wanted - np.logaddexp.reduce(fill.log_probs[others])) if others else None


def _mass_changes(masks: Sequence[MaskChange], bootstrap: Bootstrap) -> Iterator[Change]:
    if not masks:
        return
    names = [mass.name for mass in masks[0].mass]
    before = np.array([[mass.before for mass in mask.mass] for mask in masks])
    after = np.array([[mass.after for mass in mask.mass] for mask in masks])
    draws = ratio_draws(np.hstack([before, after]), bootstrap) / len(masks)
    for i, name in enumerate(names):
        yield change(
            f"{name}_mass",
            Figure(before[:, i].mean(), draws[:, i]),
            Figure(after[:, i].mean(), draws[:, len(names) + i]),
            n=len(masks),
            bootstrap=bootstrap,
            higher_is_better=_BETTER_WHEN_HIGHER.get(name),
        )


def _wins(masks: Sequence[MaskChange], bootstrap: Bootstrap) -> Iterator[WinRate]:
    for name, better in _BETTER_WHEN_HIGHER.items():
        sign = 1 if better else -1
        rises = [m.after - m.before for mask in masks for m in mask.mass if m.name == name]
        if rises and name != "junk":
            verb = "rose" if better else "fell"
            yield win_rate(f"{name} mass {verb}", sign * np.array(rises), bootstrap.level)
    targets = [mask.target for mask in masks if mask.target is not None]
    odds = [
        target.after_log_odds - target.before_log_odds
        for target in targets
        if target.before_log_odds is not None and target.after_log_odds is not None
    ]
    if odds:
        yield win_rate("target log-odds rose", np.array(odds), bootstrap.level)
