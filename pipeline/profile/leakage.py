"""Leakage: rows of one split that another split, or a held-out file, holds too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final, Literal

import polars as pl
import polars_hash as plh

from siftset.pipeline.profile.near_leakage import MOST_ROWS, near_rows
from siftset.schemas.conversations import COLUMN, MESSAGES, prompt_text, view
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Leak
from siftset.schemas.results.metrics_part import Example
from siftset.signals.words.text_normalisation import Fold, bare_text

NGRAM: Final = 13
"""Words in a row that make a contamination (Brown et al. 2020, appendix C)."""
NEAR: Final = 0.8
"""Least Jaccard similarity of word 3-grams of a near leak."""

ANSWER: Final = 50
"""Least characters of an answer that leaks: "You're welcome!" ends many conversations."""

_SHOWN: Final = 5
_CUT: Final = 160
_NOTES: Final = {
    "any": "each row once",
    "normalised": "without case and punctuation",
    "near": f"Jaccard similarity of word 3-grams at least {NEAR:g}, ten words or more",
    "n-gram": f"{NGRAM} words in a row",
    "prompt": "all turns but the last answer, without case and punctuation",
    "answer": f"last answers of {ANSWER} characters or more, without case and punctuation",
}
Kind = Literal["any", "exact", "normalised", "near", "n-gram", "prompt", "answer"]
_TURNS: Final[tuple[Kind, ...]] = ("prompt", "answer")


def exact_key(text: pl.Expr) -> pl.Expr:
    """Return the text after NFC and white-space folding."""
    return text.str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars(" ")


def normalised_key(text: pl.Expr) -> pl.Expr:
    """Return the text without case, punctuation and spacing."""
    folded = text.str.normalize("NFKC").str.to_lowercase()
    return folded.str.replace_all(r"[^\w]+", " ").str.strip_chars(" ")


def split_leaks(rows: pl.LazyFrame, *, text: str = "text", apart: bool = False) -> tuple[Leak, ...]:
    """Return the leaks between the splits of a set with columns row_id, split and `text`.

    With `apart` the letters and digits of a text decide its split, so that no two texts that are
    equal by a key lie in two, and none are looked for. Near duplicates are looked for among up to
    200,000 rows.
    """
    sides = {
        split: _select_subjects(rows.filter(pl.col("split").cast(pl.String) == split), text)
        for split in SPLITS
    }
    sizes = {split: _count_rows(side) for split, side in sides.items()}
    filled = [split for split in SPLITS if sizes[split]]
    near = sum(sizes.values()) <= MOST_ROWS
    return tuple(
        leak
        for right, left in combinations(filled, 2)
        for leak in _describe_leaks(
            sides[left],
            _find_copies(sides[left], sides[right], near=near, apart=apart),
            (left, right),
        )
    )


def held_out_leaks(
    rows: pl.LazyFrame, held_out: pl.LazyFrame, *, name: str, text: str = "text"
) -> tuple[Leak, ...]:
    """Return how many held-out texts the set holds: by text, nearly, and by 13 words in a row.

    `rows` and `held_out` have a column `text`, and `rows` a column row_id. Near duplicates are
    looked for where both together have up to 200,000 rows; prompts and answers where both have
    messages.
    """
    numbered = held_out.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.String))
    left, right = _select_subjects(numbered, text), _select_subjects(rows, text)
    near = _count_rows(left) + _count_rows(right) <= MOST_ROWS
    grams = _hash_ngrams(right).select("gram").unique()
    met = _hash_ngrams(left).join(grams, on="gram", how="semi").select("row_id").unique()
    found = {
        **_find_copies(left, right, near=near),
        "n-gram": met.collect(engine="streaming"),
    }
    return tuple(_describe_leaks(left, found, (name, "the set")))


def _select_subjects(rows: pl.LazyFrame, text: str) -> pl.LazyFrame:
    """Return row_id and text; of conversations also their prompt, and a long last answer."""
    subjects = {"text": pl.col(text)}
    if rows.collect_schema().get(COLUMN) == MESSAGES:
        answer = view("last_assistant")
        subjects["prompt"] = prompt_text()
        subjects["answer"] = pl.when(answer.str.len_chars() >= ANSWER).then(answer)
    return rows.select("row_id", **subjects)


def _find_copies(
    left: pl.LazyFrame, right: pl.LazyFrame, *, near: bool, apart: bool = False
) -> dict[Kind, pl.DataFrame]:
    """Return row_id, and a reason if there is one, of the rows of `left` that `right` has too."""
    names = set(left.collect_schema()) & set(right.collect_schema())
    by_text: dict[Kind, Fold] = {"exact": exact_key, "normalised": normalised_key}
    nothing = pl.DataFrame(schema={"row_id": pl.String})
    found = dict.fromkeys(by_text, nothing) if apart else _find_equal(left, right, "text", by_text)
    for kind in _TURNS:
        if kind in names:
            found |= _find_equal(left, right, kind, {kind: normalised_key})
    if near:
        one, other = (side.select("row_id", "text") for side in (left, right))
        found["near"] = near_rows(one, other, NEAR)
    return found


def _find_equal(
    left: pl.LazyFrame, right: pl.LazyFrame, subject: str, keys: Mapping[Kind, Fold]
) -> dict[Kind, pl.DataFrame]:
    """Return by kind the rows of `left` whose subject is equal to one of `right` by a key."""
    # Texts that are equal by any key have the same letters and digits, which cost a fraction to
    # compare: only those of the few that do are brought to the form of each key.
    bare = plh.concat_str(bare_text(pl.col(subject))).nchash.xxh3_64().alias("_bare")
    asked = left.select("row_id", bare).drop_nulls().collect(engine="streaming")
    seen = right.select(bare).drop_nulls().collect(engine="streaming")
    met = asked.lazy().join(seen.lazy(), on="_bare", how="semi").collect()
    if met.is_empty():
        return dict.fromkeys(keys, met.select("row_id"))
    some = left.join(met.lazy(), on="row_id", how="semi")
    others = right.with_columns(bare).join(met.lazy(), on="_bare", how="semi")
    found: dict[Kind, pl.DataFrame] = {}
    for kind, fold in keys.items():
        # 128-bit hashes keep the texts out of memory; two of a billion meet with odds below 1e-20.
        key = plh.concat_str(fold(pl.col(subject))).nchash.xxh3_128().alias("_key")
        again = some.select("row_id", key).join(others.select(key), on="_key", how="semi")
        found[kind] = again.select("row_id").collect(engine="streaming")
    return found


def _describe_leaks(
    rows: pl.LazyFrame, found: Mapping[Kind, pl.DataFrame], names: tuple[str, str]
) -> Iterator[Leak]:
    """Yield the rows of all kinds together, then those of each, its first by row_id shown.

    An answer that two questions have does not make their rows the same: it counts for itself.
    """
    copies = [met.select("row_id") for kind, met in found.items() if kind != "answer"]
    size = _count_rows(rows)
    yield Leak(
        kind="any",
        left=names[0],
        right=names[1],
        rows=pl.concat(copies).n_unique(),
        of=size,
        note=_NOTES["any"],
    )
    firsts = {
        kind: met.unique("row_id").bottom_k(_SHOWN, by="row_id") for kind, met in found.items()
    }
    shown = pl.concat([few.select("row_id") for few in firsts.values()]).unique()
    texts = rows.select("row_id", "text").join(shown.lazy(), on="row_id", how="semi")
    known = texts.collect(engine="streaming") if shown.height else shown.with_columns(text=None)
    for kind, few in firsts.items():
        yield Leak(
            kind=kind,
            left=names[0],
            right=names[1],
            rows=found[kind]["row_id"].n_unique(),
            of=size,
            note=_NOTES.get(kind, ""),
            examples=tuple(
                Example(row_id=row["row_id"], value=row["text"][:_CUT], reason=row.get("why", ""))
                for row in known.join(few, on="row_id").sort("row_id").iter_rows(named=True)
                if row["text"]
            ),
        )


def _hash_ngrams(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return row_id and the hash of every run of 13 words."""
    split = normalised_key(pl.col("text")).str.split(" ")
    words = (
        rows.select("row_id", word=split)
        .filter(pl.col("word").list.len() >= NGRAM)
        .explode("word")
        .with_columns(pl.col("word").hash(0))
    )
    # A run of 13 words lies in one row when its first and its last word do.
    whole = pl.col("row_id") == pl.col("row_id").shift(1 - NGRAM)
    run = pl.struct([pl.col("word").shift(-i).alias(f"w{i}") for i in range(NGRAM)])
    return words.select("row_id", gram=run.hash(0), whole=whole).filter("whole").drop("whole")


def _count_rows(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())
