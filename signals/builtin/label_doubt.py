"""How doubtful a row's label is, by models that never saw the row."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import polars as pl
from pydantic import Field

from siftset.schemas.errors import SignalError
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.kernels.arrays import to_series
from siftset.signals.label_doubt.confident_learning import score_doubt
from siftset.signals.label_doubt.fold_models import FoldModels, group_of
from siftset.signals.labels import labels_as_text
from siftset.signals.signal import Signal


class LabelDoubt(Thresholds):
    """Parameters of `label_doubt`."""

    models: str = Field(description="The file beside the recipe that `siftset doubt` wrote.")
    label: str = Field("label", description="The column of labels.")
    group: tuple[str, ...] | str | None = Field(
        None,
        description="A column, or several: rows of one value are never asked of a model that saw "
        "one of them.",
    )

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of the group."""
        return (self.group,) if isinstance(self.group, str) else self.group or ()


@family(
    LabelDoubt,
    positional="models",
    definition=(
        "half of 1 plus the probability of the likeliest other class less that of the given one, "
        "by cross-validated linear models (Northcutt et al. 2021, Confident learning)"
    ),
)
def label_doubt(parameters: LabelDoubt, build: Build) -> Signal:
    """How doubtful a label is: 0 for a sure one, above 0.5 where another class is likelier.

    Unknown without a text or a label, and for a class that the models never met.
    """
    path = build.folder / parameters.models
    if not path.is_file():
        raise SignalError(
            f"signal '{build.name}': {path} is not there: make it with  siftset doubt RECIPE"
        )
    # a file of something else is told before a run begins, and so is another group: its rows would
    # lie in other folds, and be asked of models that saw them
    fitted, _ = FoldModels.load(path)
    if fitted.group != parameters.groups:
        given, used = (", ".join(names) or "none" for names in (parameters.groups, fitted.group))
        raise SignalError(
            f"signal '{build.name}': label_doubt.group is {given}, and the models of {path} were "
            f"fitted with {used}: give that, or run  siftset doubt RECIPE"
        )
    build.depends(hashlib.sha256(path.read_bytes()).hexdigest())

    @cache
    def load_models() -> FoldModels:
        return FoldModels.load(path)[0]

    # a column may be both the label and part of the group
    named = dict.fromkeys((parameters.column, parameters.label, *parameters.groups))

    def doubt(*values: pl.Series) -> pl.Series:
        models = load_models()
        codes = {label: code for code, label in enumerate(models.classes)}
        given = dict(zip(named, values, strict=True))
        groups = {f"group {at}": given[name] for at, name in enumerate(parameters.groups)}
        texts, labels = given[parameters.column], given[parameters.label]
        asked = pl.DataFrame({"text": texts, "label": labels, **groups}).select(
            "text",
            label=labels_as_text(pl.col("label")).replace_strict(
                codes, default=None, return_dtype=pl.Int64
            ),
            group=group_of(pl.col("text"), [*groups]),
        )
        known = asked.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        some = asked.filter(known)
        scores = np.full(len(texts), np.nan)
        scores[known.to_numpy()] = score_doubt(models.ask(some), some["label"].to_numpy())
        return to_series("label_doubt", scores).fill_nan(None)

    return build.batch(doubt, returns="score", columns=tuple(named), accepts="any")
