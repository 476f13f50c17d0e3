"""Three days of an inbox: what lies in it each day, the recipe, and signals of the user's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

RECIPE = """\
# Reviews that come as a file a day.
name: inbox
output: out
seed: 3
source:
  files:
    {name: inbox, paths: ["inbox/*.jsonl", "inbox/*.csv"], text: body, label: stars, id: number}
prepare: {collapse_space: true}
signals:
  long: {length: {unit: words, min: 4}}
  rude: {keyword: {words: [idiot, stupid]}}
  warm: {python: "own.py:warm"}
  polite: {python: "own.py:polite", parameters: {words: [thanks, please, great]}}
  loud: {python: "own.py:loud"}
keep: long & ~rude & (warm | polite) & (loud <= 0.2)
analysis: full
max_fault_rate: 0.2
max_unreadable_share: 0.1
integrity:
  rows:
    text: {not_null: true, not_blank: true, encoding: true, max_chars: 400}
    label: {not_null: true, one_of: ["1", "2", "3", "4", "5"], actions: {one_of: warn}}
  suite: default
  metrics: {mean_words: "own.py:mean_words"}
  thresholds:
    quarantined_share: {warning: 0.05, critical: 0.6}
    mean_words: {info: 3, warning: 100}
  labels: ["4", "5"]
dedupe: {exact: true, near: 0.6}
split: {train: 0.6, validation: 0.2, test: 0.2}
refresh: {merge: upsert, removed: delete, keep_versions: 30, lineage: lineage.jsonl}
"""

OWN = '''\
"""Signals and a metric of the user's own."""

import polars as pl

from siftset import preprocessor, signal

WARM = ("warm", "soft", "bright")


@signal(examples=[("a warm coat", True), ("a cold coat", False), (None, None)])
def warm(text: pl.Expr) -> pl.Expr:
    """Names something warm."""
    return text.str.contains_any(list(WARM))


@preprocessor
def tokens(text: str) -> list[str]:
    """Words in small letters."""
    return text.casefold().replace(",", " ").split()


@signal(pre=[tokens], examples=[("thanks", True), ("no", False)])
def polite(tokens: list[str], *, words: tuple[str, ...] = ("please", "thanks")) -> bool:
    """Says please or thanks."""
    if "boom" in tokens:
        raise ValueError("boom is no word")
    return any(word in tokens for word in words)


@signal(returns="score", examples=[("ab!!", 0.5), ("ab", 0.0)])
def loud(text: pl.Series) -> pl.Series:
    """Exclamation marks for each character."""
    return text.str.count_matches("!") / text.str.len_chars().clip(lower_bound=1)


def mean_words(rows: pl.LazyFrame) -> float:
    """Words of a kept row, on average."""
    return rows.select(pl.col("text").str.split(" ").list.len().mean()).collect().item()
'''

LONG = (
    "The {0} came on a rainy day in March and has been warm and soft ever since, although my "
    "brother says that the one he bought two years ago in the old town was better made"
)
THINGS = ("coat", "scarf", "lamp", "blanket", "kettle", "jumper", "stove", "rug", "cap", "quilt")

Row = dict[str, Any]


def lay(folder: Path, day: int) -> None:
    """Make the inbox what it is on a day: 1, 2 or 3."""
    inbox = folder / "inbox"
    inbox.mkdir(exist_ok=True)
    if day == 1:
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        (folder / "own.py").write_text(OWN, encoding="utf-8")
        _lines(inbox / "01.jsonl", _first())
        _table(inbox / "02.csv", _reviews(100, 12))
    elif day == 2:
        # A review is written anew, one is withdrawn, one is added; a file comes.
        changed = [row for row in _first() if row["number"] != "r3"]
        changed[1] = {**changed[1], "body": "A bright lamp, thanks, and it stays bright for years"}
        changed.append(_row("r90", "Please send another soft rug, this one is great", "5"))
        _lines(inbox / "01.jsonl", changed)
        _lines(inbox / "03.jsonl", [*_reviews(200, 9), *_first()[4:6], _near("r210", "coat!")])
        with (inbox / "03.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"number": "r220", "body": "cut off\n')
    else:
        _table(inbox / "04.csv", [*_reviews(300, 6), _near("r310", "lamp")])
        (inbox / "02.csv").unlink()


def _first() -> list[Row]:
    rows = _reviews(0, 10)
    return [
        *rows,
        _near("r20", "coat"),
        _near("r21", "coat"),  # the same text
        _near("r22", "old coat"),  # nearly the same
        _near("r23", "brand new blanket of fine wool"),
        _row("r24", None, "3"),
        _row("r25", "   ", "3"),
        _row("r26", "Only an idiot would want this warm coat", "1"),
        _row("r27", "Warm", "5"),
        _row("r28", "A soft cap!!!!!!!!!!!!!!!!!!!!", "5"),
        _row("r29", "This goes boom on the second day", "2"),
        _row("r30", "A warm stove for the whole family", "six"),
        _row("r31", "A warm stove\nfor  the whole\u00a0family, \u201cgreat\u201d \U0001f600", "4"),
        _row("r32", "<script>alert('a soft rug & more')</script> thanks", "4"),
        _row("r33", "It is cold and grey and that is all", "2"),
    ]


def _reviews(start: int, n: int) -> list[Row]:
    found = []
    for i in range(start, start + n):
        thing, other = THINGS[i % 10], THINGS[(i * 7 + i // 10) % 10]
        words = ("warm", "cold", "soft", "grey")[i % 4]
        body = f"My {thing} number {i} is {words}, and the {other} that came with it works, thanks"
        found.append(
            _row(f"r{i}", body if i % 3 else body.removesuffix(", thanks"), str(i % 5 + 1))
        )
    return found


def _near(number: str, thing: str) -> Row:
    return _row(number, LONG.format(thing), "4")


def _row(number: str, body: str | None, stars: str) -> Row:
    return {"number": number, "body": body, "stars": stars}


def _lines(path: Path, rows: list[Row]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def _table(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
