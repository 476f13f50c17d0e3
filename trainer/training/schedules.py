"""Learning rates over the steps of a run, as a factor of the highest rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from siftset.schemas.errors import RecipeError

Factor = Callable[[float], float]

SETTINGS: Final[Mapping[str, frozenset[str]]] = {
    "constant": frozenset(),
    "linear": frozenset({"min_lr_rate"}),
    "cosine": frozenset({"min_lr_rate"}),
    "cosine_with_restarts": frozenset({"num_cycles", "min_lr_rate"}),
    "polynomial": frozenset({"power", "min_lr_rate"}),
    "inverse_sqrt": frozenset(),
    "step": frozenset({"step_size", "gamma"}),
    "exponential": frozenset({"gamma"}),
}


def check_settings(name: str, settings: Mapping[str, float]) -> None:
    """Raise RecipeError for a setting that the schedule does not have."""
    unknown = sorted(set(settings) - SETTINGS[name])
    if unknown:
        expected = ", ".join(sorted(SETTINGS[name])) or "none"
        raise RecipeError(
            f"train.lr_scheduler_kwargs.{unknown[0]}: unknown for the schedule {name}; "
            f"expected {expected}"
        )


def count_warmup(steps: float, total: int) -> int:
    """Return the steps of warm-up: a number below 1 is a share of all."""
    return math.ceil(steps * total) if steps < 1 else int(steps)


def rate_factor(
    name: str, total: int, warm: int, settings: Mapping[str, float]
) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step: `warm` rising steps, then `name`."""
    check_settings(name, settings)
    shape = _make_shape(name, max(total - warm, 1), max(warm, 1), settings)
    low = settings.get("min_lr_rate", 0.0)

    def at(step: int) -> float:
        if step < warm:
            return step / max(warm, 1)
        return low + (1 - low) * shape(float(step - warm))

    return at


def _make_shape(name: str, rest: int, warm: int, settings: Mapping[str, float]) -> Factor:
    """Return the factor after the warm-up, by steps since its end."""

    def left(step: float) -> float:
        return max(0.0, 1 - step / rest)

    power = settings.get("power", 2.0)
    cycles = settings.get("num_cycles", 2.0)
    every = max(settings.get("step_size", max(rest // 3, 1)), 1.0)
    gamma = settings.get("gamma", 0.1 if name == "step" else 0.05 ** (1 / rest))
    shapes: dict[str, Factor] = {
        "constant": lambda _: 1.0,
        "linear": left,
        "cosine": lambda step: _cosine_factor(1 - left(step)),
        "cosine_with_restarts": lambda step: (
            _cosine_factor(cycles * (1 - left(step)) % 1.0) if left(step) else 0.0
        ),
        "polynomial": lambda step: left(step) ** power,
        "inverse_sqrt": lambda step: math.sqrt(warm / (warm + step)),
        "step": lambda step: gamma ** (step // every),
        "exponential": lambda step: gamma**step,
    }
    return shapes[name]


def _cosine_factor(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))
