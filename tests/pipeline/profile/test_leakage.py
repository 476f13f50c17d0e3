from __future__ import annotations

import polars as pl

from siftset.pipeline.profile.leakage import held_out_leaks, split_leaks


def _set(rows: list[tuple[str, str | None, str]]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema=["row_id", "text", "split"], orient="row").lazy()


def test_leaks_between_splits_are_counted_by_kind() -> None:
    rows = _set(
        [
            ("1", "Nike shoes are light.", "train"),
            ("2", "Nike caps", "train"),
            ("3", None, "train"),
            ("4", "Nike  shoes are\nlight.", "validation"),
            ("5", "nike, CAPS!", "validation"),
            ("6", "Puma socks", "validation"),
            ("7", None, "validation"),
        ]
    )
    found = {one.kind: one for one in split_leaks(rows)}
    assert (found["exact"].rows, found["exact"].of) == (1, 4)
    assert (found["normalised"].rows, found["normalised"].of) == (2, 4)
    assert [one.row_id for one in found["exact"].examples] == ["4"]
    assert (found["exact"].left, found["exact"].right) == ("validation", "train")


def test_three_splits_give_three_pairs() -> None:
    rows = _set([("1", "a", "train"), ("2", "a", "validation"), ("3", "b", "test")])
    pairs = {(one.left, one.right): one.rows for one in split_leaks(rows) if one.kind == "exact"}
    assert pairs == {
        ("validation", "train"): 1,
        ("test", "train"): 0,
        ("test", "validation"): 0,
    }


def test_rows_that_their_text_splits_are_looked_through_for_near_leaks_alone() -> None:
    text = "ten words and more that stand here and there again today"
    rows = _set([("1", text, "train"), ("2", f"{text} too", "validation")])
    found = {one.kind: one.rows for one in split_leaks(rows, apart=True)}
    assert found == {"any": 1, "exact": 0, "normalised": 0, "near": 1}


def test_one_split_has_no_leak() -> None:
    assert split_leaks(_set([("1", "a", "train")])) == ()


def test_planted_contamination_of_real_text_is_counted_exactly(corpora) -> None:
    reviews = pl.read_parquet(corpora / "movie_reviews.parquet")["text"].unique(maintain_order=True)
    rows = pl.DataFrame({"text": reviews[:200]}).with_row_index("row_id").cast(pl.String).lazy()
    cut = reviews[:30].str.split(" ").list.slice(20, 40).list.join(" ")
    held = pl.DataFrame({"text": [*reviews[190:260], *cut]}).lazy()
    clean = pl.DataFrame({"text": reviews[200:260]}).lazy()
    found = {one.kind: one.rows for one in held_out_leaks(rows, held, name="golden.csv")}
    base = {one.kind: one.rows for one in held_out_leaks(rows, clean, name="golden.csv")}
    assert found["exact"] == 10
    assert found["n-gram"] == 40 + base["n-gram"]


def test_planted_near_leaks_of_real_text_are_counted_exactly(corpora) -> None:
    texts = pl.read_parquet(corpora / "gutenberg.parquet")["text"]
    long = texts.filter(texts.str.count_matches(r"\w+").is_between(60, 120)).unique(
        maintain_order=True
    )
    train, other = long[:800].to_list(), long[2_000:2_100].to_list()
    near = [text.replace(text.split()[30], "otherwise", 1) for text in train[:17]]

    def rows(held: list[str]) -> pl.LazyFrame:
        split = ["train"] * len(train) + ["validation"] * len(held)
        frame = pl.DataFrame({"text": [*train, *held], "split": split})
        return frame.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.String)).lazy()

    clean = {one.kind: one for one in split_leaks(rows(other))}
    leaks = {one.kind: one for one in split_leaks(rows([*other, *near]))}
    assert (leaks["near"].rows - clean["near"].rows, leaks["near"].of) == (17, 117)
    assert leaks["near"].examples[0].reason.startswith("near: ")
    assert leaks["any"].rows == leaks["near"].rows


def test_held_out_leaks_of_all_kinds_count_each_row_once(corpora) -> None:
    reviews = pl.read_parquet(corpora / "movie_reviews.parquet")["text"].unique(maintain_order=True)
    rows = pl.DataFrame({"text": reviews[:40]}).with_row_index("row_id").cast(pl.String).lazy()
    words = [text.split() for text in reviews[20:33]]
    near = [" ".join([*one[:60], "otherwise", *one[61:]]) for one in words]
    planted = [*reviews[:10], *reviews[10:20].str.to_uppercase(), *near]
    other = reviews[100:150].to_list()

    def count(texts: list[str]) -> dict[str, int]:
        leaks = held_out_leaks(rows, pl.DataFrame({"text": texts}).lazy(), name="golden.csv")
        return {one.kind: one.rows for one in leaks}

    found, base = count([*planted, *other]), count(other)
    assert (found["exact"], found["normalised"]) == (10, 20)
    assert found["near"] >= 23
    assert found["any"] - base["any"] == 33
