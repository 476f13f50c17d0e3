from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.kernels.compiled import has_numba
from siftset.signals.static_vectors.kernel import MOST_CHARACTERS, PLANE
from siftset.signals.static_vectors.model import StaticVectors, load_static
from siftset.signals.static_vectors.wordpiece import classify_character

WAYS = [False, True] if has_numba() else [False]
CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "tweets.parquet"
ODD = [
    "", "  ", "héllo WÖRLD", "한국어 텍스트", "日本語のテキスト", "a" * 101, "naïve café",
    "İstanbul",
    "x\u200by", "𠀀𠀁", "😀 smile", "don't", "e\u0301", "\x00a\x1cb", "Ⅻ", "ﬁn", "٣٤", "ß", "ά",
    "a\ufffdb", "ẞ", "ǅ", "unaffable", "[UNK]", "[CLS] x", "##ing", "a" * 100, "word " * 1000,
    "\u1100" * 101, "é" * 100, "q\u0300" * 400, "tab\tline\nend\r", "\u3000wide\u2028", "🤷🏽‍♀️",
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> StaticVectors:
    return load_static()


@pytest.fixture(params=WAYS, ids=lambda way: "kernel" if way else "plain")
def way(request) -> bool:
    return request.param


def pieces_of(table: StaticVectors, texts: list[str], way: bool) -> list[list[str]]:
    rows, ends = table.tokenize(pl.Series(texts, dtype=pl.String), use_numba=way)
    bags = np.split(rows, ends[:-1]) if texts else []
    return [[table.entries[row] for row in bag] for bag in bags]


@pytest.fixture(scope="module")
def reference(table: StaticVectors):
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {entry: row for row, entry in enumerate(table.entries)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return lambda text: made.encode(text, add_special_tokens=False).tokens


def test_pieces_are_those_of_the_reference(table: StaticVectors, reference, way: bool) -> None:
    assert pieces_of(table, ODD, way) == [reference(text) for text in ODD]


@pytest.mark.skipif(not CORPUS.is_file(), reason="the corpora are not here")
def test_pieces_of_real_texts_are_those_of_the_reference(table, reference) -> None:
    texts = pl.read_parquet(CORPUS)["text"].to_list()[:1500]
    assert pieces_of(table, texts, WAYS[-1]) == [reference(text) for text in texts]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), max_size=8))
def test_kernel_and_plain_python_give_the_same_bits(texts: list[str]) -> None:
    table, series = load_static(), pl.Series(texts, dtype=pl.String)
    first, *others = (table.embed(series, use_numba=way) for way in WAYS)
    assert all(np.array_equal(first, other) for other in others)
    assert len({str(pieces_of(table, texts, way)) for way in WAYS}) == 1


def test_a_vector_has_length_one_and_a_text_without_pieces_zeros(table, way: bool) -> None:
    texts = pl.Series(["A fine day.", None, "", "\x00", "fine a day . " * 3000])
    vectors = table.embed(texts, use_numba=way)
    assert vectors.shape == (5, table.size)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 4]], axis=1), 1, atol=1e-6)
    assert not vectors[1:4].any()
    # every piece counts however long a text is, and their order does not
    assert float(vectors[0] @ vectors[4]) > 0.99999


def test_alike_texts_are_nearer_than_others(table: StaticVectors, way: bool) -> None:
    texts = pl.Series(
        ["The battery dies after two hours.", "Battery life is short.", "How do I bake a cake?"]
    )
    a, b, c = table.embed(texts, use_numba=way)
    assert a @ b > a @ c + 0.2


def test_slices_and_chunks_are_read_as_they_stand(table: StaticVectors, way: bool) -> None:
    texts = pl.concat([pl.Series(ODD), pl.Series(["more", "words"])], rechunk=False)
    whole = table.embed(texts, use_numba=way)
    assert np.array_equal(table.embed(texts[3:30], use_numba=way), whole[3:30])
    assert table.embed(texts[:0], use_numba=way).shape == (0, table.size)


def test_threads_share_a_table(table: StaticVectors) -> None:
    texts = pl.Series(ODD * 20)
    whole = table.embed(texts)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(whole, one) for one in pool.map(table.embed, [texts] * 8))


def test_a_word_of_more_characters_than_the_limit_is_unknown(table, way: bool) -> None:
    fits, long = pieces_of(table, ["a" * MOST_CHARACTERS, "a" * (MOST_CHARACTERS + 1)], way)
    assert "[UNK]" not in fits
    assert long == ["[UNK]"]


def test_letters_of_the_table_are_those_of_this_python(table: StaticVectors) -> None:
    letters = table._letters
    for point in (*range(0x250), 0x1E9E, 0x2028, 0x3000, 0x4E00, 0xAC00, PLANE - 1):
        form = letters.data[letters.offsets[point] : letters.offsets[point + 1]].tobytes().decode()
        assert (int(letters.kinds[point]), form) == classify_character(chr(point))
