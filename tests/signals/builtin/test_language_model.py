from __future__ import annotations

import pytest

from siftset.signals.builtin.language_model import load_identifier

TEXTS = [
    "This is certainly a sentence in English.",
    "Das ist ganz bestimmt ein deutscher Satz.",
    "\u042d\u0442\u043e \u043f\u0440\u0435\u0434\u043b\u043e\u0436\u0435\u043d\u0438\u0435.",
    "",
    "12345",
]


def test_a_mapped_model_says_what_the_unpacked_one_says(monkeypatch, tmp_path):
    pytest.importorskip("py3langid")
    monkeypatch.setenv("SIFTSET_CACHE", str(tmp_path))
    unpacked = load_identifier.__wrapped__()
    (folder,) = (tmp_path / "language").iterdir()
    mapped = load_identifier.__wrapped__()
    assert isinstance(mapped.tk_nextmove, memoryview)
    assert [mapped.rank(text) for text in TEXTS] == [unpacked.rank(text) for text in TEXTS]

    (folder / "nb_ptc.npy").write_bytes(b"half a f")
    assert load_identifier.__wrapped__().rank(TEXTS[1]) == unpacked.rank(TEXTS[1])
    assert load_identifier.__wrapped__().rank(TEXTS[1]) == unpacked.rank(TEXTS[1])
    assert (folder / "nb_ptc.npy").stat().st_size > 1_000_000
