"""What the short runs before a training found: a search for settings, and cross-validation."""

from __future__ import annotations

from pydantic import Field, JsonValue

from siftset.schemas.recipe.section import Section

Settings = dict[str, int | float]


class SearchTrial(Section):
    """Settings that were tried, and the figure that they reached on validation."""

    settings: Settings
    value: float | None

    def describe(self) -> str:
        """Return the settings on one line."""
        return ", ".join(f"{name} {value:g}" for name, value in self.settings.items())


class SearchFound(Section):
    """Every setting that was tried, in order, and the one that is trained with."""

    metric: str
    trials: tuple[SearchTrial, ...]
    chosen: Settings


class FoldFigure(Section):
    """One figure of cross-validation; without a mean where a fold has no value."""

    name: str
    mean: float | None
    deviation: float | None = Field(description="Standard deviation over the folds (n - 1).")
    values: tuple[float | None, ...]


class Trials(Section):
    """What was found before the run."""

    search: SearchFound | None = None
    folds: tuple[FoldFigure, ...] = ()

    def details(self) -> dict[str, JsonValue]:
        """Return `search`, `chosen` and `folds`, each where it was made."""
        found: dict[str, JsonValue] = {}
        if self.search is not None:
            metric = self.search.metric
            found["search"] = [{**one.settings, metric: one.value} for one in self.search.trials]
            found["chosen"] = dict(self.search.chosen)
        if self.folds:
            found["folds"] = {
                one.name: one.model_dump(mode="json", exclude={"name"}) for one in self.folds
            }
        return found
