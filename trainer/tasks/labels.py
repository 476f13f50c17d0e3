"""Labels of a set: their names, their order, their weights, and what is wrong with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.section import label_text
from siftset.schemas.recipe.train import Train
from siftset.trainer.tasks.reading import columns_of, scan_files


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the classes in their order, and how many training rows each has."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    by_value: Mapping[str, int]
    multi: bool = False

    def index(self, value: object) -> int:
        """Return the class of a raw value."""
        return self.by_value[label_text(value)]

    def flags(self, values: Sequence[object]) -> list[float]:
        """Return 1.0 for every class among the values."""
        here = {self.index(value) for value in values}
        return [float(i in here) for i in range(len(self.names))]


def find_labels(files: Mapping[str, Sequence[Path]], config: Train) -> Labels:
    """Read the labels of every split; raise TrainingError if they cannot be learned.

    Classes are ordered by raw value (numbers as numbers); `labels` of the recipe names them.
    """
    counts = {name: _count_labels(paths, name, config) for name, paths in files.items() if paths}
    train = counts["train"]
    for split, found in counts.items() if config.labels else ():
        unmapped = sorted(set(found) - set(config.labels))
        if unmapped:
            raise TrainingError(
                f"train.labels does not map {', '.join(map(repr, unmapped[:5]))}, found in split "
                f"{split} ({format_count(found[unmapped[0]], 'row')}): add it"
            )
    values = sorted({*train, *config.labels}, key=_sort_key)
    names = tuple(dict.fromkeys(config.labels.get(value, value) for value in values))
    by_value = {value: names.index(config.labels.get(value, value)) for value in values}
    seen = Counter[str]()
    for value, n in train.items():
        seen[names[by_value[value]]] += n
    _check_seen(counts, by_value, seen, names)
    return Labels(names, tuple(seen[name] for name in names), by_value, config.multi_label)


def _count_labels(files: Sequence[Path], split: str, config: Train) -> dict[str, int]:
    if "label" not in columns_of(files):
        raise TrainingError(
            f"the set has no column 'label' (it has {', '.join(columns_of(files))}): task "
            "classification needs one: map it with label: in the recipe's source"
        )
    frame = scan_files(files).select("label").collect()
    if frame.schema["label"] == pl.List and not config.multi_label:
        raise TrainingError("the column 'label' holds lists: set  train.multi_label: true")
    if config.multi_label:
        lists = list_labels(frame["label"], config.label_separator)
        if lists.dtype != pl.List:
            raise TrainingError(
                "train.multi_label: true expects lists in the column 'label', found one value a "
                "row: set  train.label_separator  to what stands between labels"
            )
        frame = lists.to_frame("label").explode("label", empty_as_null=False)
    counted = frame.group_by("label").len()
    missing = int(counted.filter(pl.col("label").is_null())["len"].sum())
    if missing:
        raise TrainingError(
            f"{format_count(missing, 'row')} of split {split} {conjugate(missing, 'have')} no "
            "label: drop them in the formula or label them"
        )
    out: Counter[str] = Counter()
    for value, n in counted.iter_rows():
        out[label_text(value)] += n
    if out[""] and "" not in config.labels:
        raise TrainingError(
            f"{format_count(out[''], 'row')} of split {split} {conjugate(out[''], 'have')} the "
            'empty label "": give it a name in train.labels, or drop these rows in the formula'
        )
    return dict(+out)


def list_labels(labels: pl.Series, separator: str | None) -> pl.Series:
    """Return the lists of labels that a column holds: as lists, JSON arrays or delimited text.

    A column that holds none of these is returned as it is.
    """
    if labels.dtype != pl.String:
        return labels
    written = labels.drop_nulls()
    if written.str.starts_with("[").all() and written.str.ends_with("]").all():
        try:
            found = [None if text is None else json.loads(text) for text in labels]
        except ValueError:
            return labels
        named = [None if row is None else [label_text(one) for one in row] for row in found]
        return pl.Series(labels.name, named, dtype=pl.List(pl.String))
    if separator is None:
        return labels
    parts = labels.str.split(separator).list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(pl.element() != ""))


def _check_seen(
    counts: Mapping[str, Mapping[str, int]],
    by_value: Mapping[str, int],
    seen: Mapping[str, int],
    names: Sequence[str],
) -> None:
    if sum(seen[name] > 0 for name in names) < 2:
        held = next((name for name in names if seen[name]), "none")
        raise TrainingError(
            f"the training rows hold one class only ({held!r}): a classifier needs two or more"
        )
    for split, found in counts.items():
        unseen = [v for v in found if v not in by_value or not seen[names[by_value[v]]]]
        if unseen:
            shown = ", ".join(
                f"{value!r} ({format_count(found[value], 'row')})" for value in unseen[:5]
            )
            more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
            raise TrainingError(
                f"labels of split {split} are never in train: {shown}{more}; the model cannot "
                "learn them: split again or leave them out"
            )


def _sort_key(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def find_class_weights(labels: Labels, config: Train) -> list[float] | None:
    """Return the weight of every class, or None where all weigh the same.

    Balanced is rows / (classes x rows of the class), as scikit-learn has it; with several labels a
    row, what a positive weighs against a negative.
    """
    wanted = config.class_weights
    if wanted is None:
        return None
    if wanted == "balanced":
        total, k = sum(labels.counts), len(labels.names)
        return [total / (k * max(n, 1)) for n in labels.counts]
    unknown = sorted(set(wanted) - set(labels.names))
    if unknown:
        raise TrainingError(
            f"train.class_weights names {unknown[0]!r}, which is no class: expected some of "
            f"{', '.join(labels.names)}"
        )
    return [float(wanted.get(name, 1.0)) for name in labels.names]
