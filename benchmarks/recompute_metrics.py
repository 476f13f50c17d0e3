"""Recompute every figure of metrics.json by other means, and print what differs.

    python benchmarks/recompute_metrics.py CORPUS.parquet [CORPUS.parquet ...]

Each corpus has the columns id, text and label. It is curated by a small recipe with duplicates,
nulls and a held-out file planted; then plain Python, polars, numpy and scipy count again from the
input and from the published rows. Nothing of siftset's own counting is used. Left out is what
random regroupings decide (chance, new words, topic, popularity), what is estimated (distinct words,
where they are many), languages, and what the plan of the day asked.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from siftset.pipeline.commands.curate import curate

RECIPE = """
name: recomputed
output: out
seed: 5
source: {files: {paths: [input.parquet], text: text, label: label, id: id}}
signals:
  long: {length: {min: 40}}
  word: {keyword: {words: [good, bad, love, hate, great, easy, story, like]}}
  shout: {regex: {pattern: "[A-Z]{8,}"}}
keep: long & word & ~shout
integrity:
  rows: {text: {not_null: true, max_chars: 4000}}
  labels: [WANTED]
  held_out: held.parquet
  reference: reference.parquet
dedupe: {exact: true, near: 0.8}
split: {train: 0.8, validation: 0.2}
analysis: full
"""
WORDS = re.compile(r"\b(?:good|bad|love|hate|great|easy|story|like)\b", re.IGNORECASE)
_MARKS = "".join(
    chr(code)
    for code in range(0x110000)
    if unicodedata.category(chr(code))[0] == "M" or code in (0x200C, 0x200D)
)
_NUMBERS = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "No")
WORD = re.compile(f"(?:(?![{_NUMBERS}])\\w|[{re.escape(_MARKS)}])+")
"""Runs of word characters as Unicode defines them: with marks, without fractions and the like."""

Differences = Iterator[tuple[str, Any, Any]]


def main() -> None:
    """Curate each corpus, recompute, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", type=Path)
    found = 0
    for corpus in parser.parse_args().corpora:
        with tempfile.TemporaryDirectory() as folder:
            differences = list(recompute(Path(folder), pl.read_parquet(corpus)))
        found += len(differences)
        for name, told, true in differences:
            print(f"{corpus.name}: {name}: siftset says {told}, it is {true}")
        print(f"{corpus.name}: {len(differences)} differences")
    raise SystemExit(1 if found else 0)


def recompute(folder: Path, corpus: pl.DataFrame) -> Differences:
    """Curate a corpus; yield name, siftset's figure and the true one where they differ."""
    for name, told, true in _figures(folder, corpus):
        near = isinstance(true, float) and told is not None
        if not (np.isclose(told, true, rtol=1e-9, atol=1e-9) if near else told == true):
            yield name, told, true


def _figures(folder: Path, corpus: pl.DataFrame) -> Differences:
    rows = _plant(folder, corpus)
    curate(folder / "recipe.yaml")
    (run,) = (folder / "out" / "runs").iterdir()
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    kept = pl.read_parquet(folder / "out" / "versions" / "0" / "*.parquet")
    aside = pl.read_parquet(run / "duplicates" / "*.parquet")
    yield from _balance(metrics, rows, kept, aside)
    yield from _signals(metrics, rows)
    for name, profile, frame in (("input", metrics["profiles"]["input"], rows),
                                 ("kept", metrics["profiles"]["kept"], kept)):  # fmt: skip
        yield from _profile(name, profile, frame)
    yield from _leaks(metrics, kept, pl.read_parquet(folder / "held.parquet")["text"].to_list())
    yield from _drift(metrics, kept, pl.read_parquet(folder / "reference.parquet"))


def _plant(folder: Path, corpus: pl.DataFrame) -> pl.DataFrame:
    rows = corpus.select(
        id=pl.int_range(pl.len()).cast(pl.String),
        text="text",
        label=pl.col("label").cast(pl.String),
    )
    again = rows[:150].with_columns(id=pl.col("id") + "-again")
    spaced = rows[150:200].with_columns(
        id=pl.col("id") + "-spaced", text=" " + pl.col("text") + "\n"
    )
    nulls = rows[200:230].with_columns(id=pl.col("id") + "-null", text=pl.lit(None, pl.String))
    labels = rows["label"].drop_nulls().unique().sort()
    other = rows[240:280].with_columns(
        id=pl.col("id") + "-other",
        label=pl.when(pl.col("label") == pl.lit(labels[0]))
        .then(pl.lit(labels[-1]))
        .otherwise(pl.lit(labels[0])),
    )
    rows = pl.concat([rows, again, spaced, nulls, other])
    rows.write_parquet(folder / "input.parquet")
    texts = corpus["text"].to_list()
    held = [*texts[:20], *(text.upper() + " !" for text in texts[20:40]), *texts[-5:]]
    pl.DataFrame({"text": held}).write_parquet(folder / "held.parquet")
    corpus.select("text", "label").sample(1_000, seed=1).write_parquet(folder / "reference.parquet")
    wanted = str(corpus["label"].drop_nulls()[0])
    (folder / "recipe.yaml").write_text(RECIPE.replace("WANTED", wanted), encoding="utf-8")
    return rows


def _sound(text: str | None) -> bool:
    return text is not None and len(text) <= 4000


def _decide(text: str) -> tuple[bool, bool, bool]:
    return len(text) >= 40, bool(WORDS.search(text)), bool(re.search("[A-Z]{8,}", text))


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def _balance(
    metrics: dict[str, Any], rows: pl.DataFrame, kept: pl.DataFrame, aside: pl.DataFrame
) -> Differences:
    texts = rows["text"].to_list()
    sound = [text for text in texts if _sound(text)]
    passed = [t for t in sound if _decide(t) >= (True, True) and not _decide(t)[2]]
    told = metrics["rows"]
    yield "rows.read", told["read"], len(texts)
    yield "rows.quarantined", told["quarantined"], len(texts) - len(sound)
    yield "rows.rejected", told["rejected"], len(sound) - len(passed)
    yield "rows.kept + duplicate", told["kept"] + told["duplicate"], len(passed)
    yield "rows.kept", told["kept"], kept.height
    yield "rows.set", told["set"], kept.height
    yield "rows.splits", told["splits"], dict(Counter(kept["split"].to_list()))
    exact = len(passed) - len({_fold(text) for text in passed})
    yield "duplicates.exact", metrics["duplicates"]["exact"], exact
    yield "duplicates.near", metrics["duplicates"]["near"], told["duplicate"] - exact
    yield "duplicates.ids", metrics["duplicates"]["ids"], 0
    yield "duplicates.rows", metrics["duplicates"]["rows"], len(passed)
    pointed = set(aside["duplicate_of"]) - set(kept["row_id"])
    yield "duplicates that point at no kept row", len(pointed), 0
    groups = Counter(zip(aside["duplicate_of"], aside["kind"], strict=True))
    for group in metrics["duplicates"]["groups"]:
        key = group["row_id"], group["kind"]
        yield f"duplicates.groups {key}", group["repeats"], groups[key]
    first = dict(kept.select("row_id", "label").iter_rows())
    relabelled = sum(
        label is not None and first[to] is not None and label != first[to]
        for label, to in aside.select("label", "duplicate_of").iter_rows()
    )
    yield "duplicates.relabelled", metrics["duplicates"]["relabelled"], relabelled
    for check in metrics["checks"]:
        failing = {
            "not_null": sum(text is None for text in texts),
            "max_chars": sum(text is not None and len(text) > 4000 for text in texts),
        }
        yield f"check {check['name']}", check["failed"], failing[check["name"]]
        yield f"check {check['name']} rows", check["rows"], len(texts)
    labels = [label for label in kept["label"].to_list() if label is not None]
    wanted = metrics["label_precision"]["wanted"]
    for which in ("label_precision", "set_label_precision"):
        right = sum(label in wanted for label in labels)
        yield f"{which}.right", metrics[which]["right"], right
        yield f"{which}.labelled", metrics[which]["labelled"], len(labels)


def _signals(metrics: dict[str, Any], rows: pl.DataFrame) -> Differences:
    funnel = metrics["funnel"]
    said = np.array([_decide(text) for text in rows["text"].to_list() if _sound(text)])
    said[:, 2] = ~said[:, 2]
    yield "funnel.analysed", funnel["analysed"], len(said)
    yield "funnel.analysed_kept", funnel["analysed_kept"], int(said.all(axis=1).sum())
    names = ("long", "word", "shout")
    told = {one["name"]: one for one in funnel["signals"]}
    parts = dict(zip(names, funnel["tree"]["children"], strict=True))
    for place, name in enumerate(names):
        true = int(said[:, place].sum())
        yield f"tree {name}", parts[name]["true"], true
        counts = (true, len(said) - true)
        found = told[name]["analysed_true"], told[name]["analysed_false"]
        yield f"signal {name}", found, counts[::-1] if name == "shout" else counts
        yield f"signal {name} unknown", told[name]["analysed_unknown"], 0
        asked = told[name]["evaluated"] + told[name]["skipped"]
        yield f"signal {name} asked or not", asked, len(said)
    yield "tree", funnel["tree"]["true"], int(said.all(axis=1).sum())
    yield "funnel.decided", funnel["decided"], len(said)
    for place, step in enumerate(funnel["steps"]):
        left = said[:, :place].all(axis=1).sum(), said[:, : place + 1].all(axis=1).sum()
        yield f"step {step['clause']}", (step["entered"], step["passed"]), tuple(map(int, left))
        yield f"alone {step['clause']}", step["alone"], int(said[:, place].sum())
    for place, out in enumerate(funnel["leave_one_out"]):
        rest = np.delete(said, place, axis=1).all(axis=1)
        yield f"leave out {out['signal']}", out["kept_without"], int(rest.sum())
        yield f"removed {out['signal']}", out["removed"], int((rest & ~said.all(axis=1)).sum())
    first = Counter(int(np.argmin(row)) for row in said if not row.all())
    clauses = {funnel["steps"][place]["clause"]: rows for place, rows in first.items()}
    yield "funnel.clauses", dict(sorted(funnel["clauses"].items())), dict(sorted(clauses.items()))
    answers = said.copy()
    answers[:, 2] = ~answers[:, 2]
    for pair in funnel["pairs"]:
        left, right = (answers[:, names.index(pair[side])] for side in ("left", "right"))
        both = int((left == right).sum())
        yield (
            f"pair {pair['left']}, {pair['right']}",
            (pair["both"], pair["either"]),
            (both, len(said)),
        )


def _profile(name: str, told: dict[str, Any], frame: pl.DataFrame) -> Differences:
    if told["rows"] < frame.height:  # a sample, of which the page tells size and bounds
        yield from _sample(name, told, frame)
        return
    texts = [text for text in frame["text"].to_list() if text is not None]
    yield f"{name}.rows", told["rows"], frame.height
    yield f"{name}.texts", told["texts"], len(texts)
    for column in told["columns"]:
        values = frame[column["name"]].to_list()
        yield f"{name}.{column['name']}.null", column["null"], sum(v is None for v in values)
        yield f"{name}.{column['name']}.empty", column["empty"], sum(v == "" for v in values)
        blank = sum(isinstance(v, str) and v != "" and not v.strip() for v in values)
        yield f"{name}.{column['name']}.blank", column["blank"], blank
    words = [WORD.findall(text.lower()) for text in texts]
    for unit, lengths in (("chars", [len(t) for t in texts]), ("words", [len(w) for w in words])):
        found = told[unit]
        for key, q in (("p1", 1), ("p5", 5), ("p50", 50), ("p95", 95), ("p99", 99)):
            true = sorted(lengths)[-(-q * len(lengths) // 100) - 1]
            yield f"{name}.{unit}.{key}", found["quantiles"][key], float(true)
        yield f"{name}.{unit}.min", found["min"], float(min(lengths))
        yield f"{name}.{unit}.max", found["max"], float(max(lengths))
        yield f"{name}.{unit}.mean", found["mean"], sum(lengths) / len(lengths)
        for (low, high), count in zip(pairwise(found["edges"]), found["counts"], strict=True):
            yield f"{name}.{unit} {low} to {high}", count, sum(low <= n < high for n in lengths)
    counted = Counter(word[:64] for some in words for word in some)
    used = told["vocabulary"]
    yield f"{name}.vocabulary.tokens", used["tokens"], counted.total()
    top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[: len(used["top"])]
    yield f"{name}.vocabulary.top", [(one["token"], one["count"]) for one in used["top"]], top
    if used["exact"]:
        yield f"{name}.vocabulary.distinct", used["distinct"], len(counted)
        yield f"{name}.vocabulary.gini", used["gini"], _gini(list(counted.values()))
    labels = Counter(label if label is not None else "(none)" for label in frame["label"].to_list())
    yield f"{name}.label_totals", told["label_totals"], dict(sorted(labels.items()))
    for key, pattern in (
        ("url", r"(?i:https?://[^\s]|\bwww\.[a-z0-9])"),
        ("replacement", "\ufffd"),
    ):
        count = sum(bool(re.search(pattern, text)) for text in texts)
        yield f"{name}.encoding.{key}", told["encoding"].get(key, 0), count
    yield f"{name}.labels", sum(map(Counter, told["labels"].values()), Counter()), labels
    for script, word in (("Latin", "LATIN"), ("Greek", "GREEK"), ("Cyrillic", "CYRILLIC")):
        count = sum(any(unicodedata.name(c, "").startswith(word + " ") for c in t) for t in texts)
        yield f"{name}.scripts.{script}", told["scripts"].get(script, 0), count
    controls = {chr(code) for code in (*range(32), *range(127, 160))} - set("\t\n\r")
    count = sum(not controls.isdisjoint(text) for text in texts)
    yield f"{name}.encoding.control", told["encoding"].get("control", 0), count
    not_nfc = sum(unicodedata.normalize("NFC", text) != text for text in texts)
    yield f"{name}.encoding.not_nfc", told["encoding"].get("not_nfc", 0), not_nfc


def _sample(name: str, told: dict[str, Any], frame: pl.DataFrame) -> Differences:
    """Hold a sample's shares against those of all rows: five standard errors are no chance."""
    yield f"{name}.of", told["of"], frame.height
    for value, rows in told["label_totals"].items():
        share = frame["label"].fill_null("(none)").eq(value).mean()
        error = math.sqrt(share * (1 - share) / told["rows"])
        near = abs(rows / told["rows"] - share) <= 5 * error
        yield f"{name}.label_totals.{value} within chance", near, True
    texts = frame["text"].drop_nulls()
    for unit, lengths in (
        ("chars", texts.str.len_chars()),
        ("words", texts.map_elements(lambda text: len(WORD.findall(text)), pl.Int64)),
    ):
        error = float(lengths.std()) / math.sqrt(told[unit]["rows"])
        near = abs(told[unit]["mean"] - lengths.mean()) <= 5 * error
        yield f"{name}.{unit}.mean within chance", near, True


def _gini(counts: list[int]) -> float:
    """Return half the mean difference of two of the counts, relative to their mean."""
    values = np.sort(np.array(counts, float))
    weights = 2 * np.arange(1, values.size + 1) - values.size - 1
    return float((weights * values).sum() / (values.size**2 * values.mean()))


def _key(text: str, kind: str) -> str:
    if kind == "exact":
        return _fold(text)
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"\W+", " ", folded).strip()


def _grams(text: str) -> set[str]:
    words = _key(text, "normalised").split(" ")
    return {" ".join(words[i : i + 13]) for i in range(len(words) - 12)}


def _leaks(metrics: dict[str, Any], kept: pl.DataFrame, held: list[str]) -> Differences:
    sides = {split: kept.filter(split=split)["text"].to_list() for split in ("train", "validation")}
    told = {(one["kind"], one["left"]): one["rows"] for one in metrics["leakage"]}
    everything = kept["text"].to_list()
    seen = set().union(*map(_grams, everything))
    for left, rows, right in (
        ("validation", sides["validation"], sides["train"]),
        ("held.parquet", held, everything),
    ):
        leaked: set[int] = set()
        for kind in ("exact", "normalised"):
            known = {_key(text, kind) for text in right}
            here = {at for at, text in enumerate(rows) if _key(text, kind) in known}
            leaked |= here
            yield f"leak {left} {kind}", told[kind, left], len(here)
        near = _near(rows, right)
        leaked |= near
        yield f"leak {left} near", told["near", left], len(near)
        if left != "validation":
            here = {at for at, text in enumerate(rows) if _grams(text) & seen}
            leaked |= here
            yield f"leak {left} n-gram", told["n-gram", left], len(here)
        yield f"leak {left} any", told["any", left], len(leaked)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return set(zip(words, words[1:], words[2:], strict=False)) if len(words) >= 10 else set()


def _near(rows: list[str], right: list[str]) -> set[int]:
    """Return the rows whose word 3-grams are 0.8 those of a row on the right; all are tried."""
    sets = [_shingles(text) for text in right]
    places: dict[tuple[str, ...], list[int]] = {}
    for at, grams in enumerate(sets):
        for gram in grams:
            places.setdefault(gram, []).append(at)
    found = set()
    for at, text in enumerate(rows):
        grams = _shingles(text)
        shared = Counter(place for gram in grams for place in places.get(gram, ()))
        if any(n / (len(grams) + len(sets[p]) - n) >= 0.8 for p, n in shared.items()):
            found.add(at)
    return found


def _drift(metrics: dict[str, Any], kept: pl.DataFrame, reference: pl.DataFrame) -> Differences:
    told = {(one["key"], one["name"].split(",")[0]): one["value"] for one in metrics["drift"]}
    labels = [Counter(frame["label"].to_list()) for frame in (reference, kept)]
    for name in ("text", "label"):
        nulls = [frame[name].null_count() / frame.height for frame in (reference, kept)]
        value = told.get(("null_share", f"Null share of {name}"), 0)
        yield f"drift null_share {name}", value, nulls[1] - nulls[0]
    names = sorted({*labels[0], *labels[1]}, key=str)
    p, q = ([counts[name] for name in names] for counts in labels)
    value = next(value for (key, _), value in told.items() if key == "label_js")
    yield "drift label_js", value, float(jensenshannon(p, q, base=2))
    for unit, measure in (("characters", len), ("words", lambda text: len(WORD.findall(text)))):
        before, now = ([measure(t) for t in f["text"].to_list() if t is not None]
                       for f in (reference, kept))  # fmt: skip
        cuts = np.unique(np.quantile(before, np.arange(1, 10) / 10, method="inverted_cdf"))
        counts = [np.bincount(np.searchsorted(cuts, x), minlength=len(cuts) + 1) + 0.5
                  for x in (before, now)]  # fmt: skip
        p, q = (one / one.sum() for one in counts)
        value = told["length_psi", f"PSI of the length in {unit}"]
        yield f"drift length_psi {unit}", value, float(((q - p) * np.log(q / p)).sum())
        if unit == "words":
            median = sorted(before)[-(-len(before) // 2) - 1]
            value = next(value for (key, _), value in told.items() if key == "length_emd")
            yield "drift length_emd", value, float(wasserstein_distance(before, now)) / median


if __name__ == "__main__":
    main()
