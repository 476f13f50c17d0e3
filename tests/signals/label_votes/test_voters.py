from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from siftset.schemas.errors import RecipeError, SignalError
from siftset.signals.label_votes.voters import COLUMNS, Voters, add_metrics, read_voters
from siftset.signals.registry import build

WORDS = ("great", "good", "awful", "bad", "odd")
SPECS = {word: {"keyword": {"words": [word]}} for word in WORDS} | {"size": {"length": {}}}
SIGNALS = build(SPECS, folder=Path())
VOTES = {"pos": ["great", "good"], "neg": ["awful", "bad"], "other": ["odd"]}
TEXTS = st.lists(st.none() | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1)


def make(votes: dict[str, list[str]] = VOTES, known: str | None = None) -> Voters:
    return Voters(read_voters(votes, SPECS), SIGNALS, known=known)


def by_hand(text: str | None) -> tuple[str | None, float | None]:
    """Count the votes of one row as people would."""
    words = set((text or "").split())
    counts = {label: len(words & set(voters)) for label, voters in VOTES.items()}
    most = [label for label in counts if counts[label] == max(counts.values())]
    if len(most) > 1:
        return None, None
    return most[0], counts[most[0]] / sum(counts.values())


@settings(max_examples=25)
@given(TEXTS)
def test_the_class_with_most_votes_is_the_label(texts: list[str | None]):
    rows, votes = make().add_labels(pl.DataFrame({"text": texts}, {"text": pl.String}))
    assert rows.schema == {"text": pl.String, **COLUMNS}
    expected = [by_hand(text) for text in texts]
    assert rows["label"].to_list() == [label for label, _ in expected]
    assert rows["label_agreement"].to_list() == pytest.approx([share for _, share in expected])
    cast = [{(v["voter"], v["label"]) for v in row} for row in rows["label_votes"].to_list()]
    labels = {voter: label for label, voters in VOTES.items() for voter in voters}
    assert cast == [{(w, labels[w]) for w in (text or "").split()} for text in texts]
    assert votes.rows == votes.silent + votes.tied + sum(one.rows for one in votes.classes)
    assert sum(one.votes for one in votes.voters) == sum(map(len, cast))


@settings(max_examples=25)
@given(TEXTS, st.randoms())
def test_neither_the_order_of_voters_nor_that_of_rows_matters(texts, random):
    frame = pl.DataFrame({"text": texts, "at": range(len(texts))}, {"text": pl.String, "at": int})
    rows, votes = make().add_labels(frame)
    names = random.sample([*VOTES], len(VOTES))
    mixed = make({name: random.sample(VOTES[name], len(VOTES[name])) for name in names})
    order = random.sample(range(len(texts)), len(texts))
    others, same = mixed.add_labels(frame[order])
    assert_frame_equal(others.sort("at"), rows)
    assert same == votes
    assert mixed.hash == make().hash


@settings(max_examples=25)
@given(TEXTS, st.integers(0, 20))
def test_what_votes_come_to_adds_up_over_parts(texts, cut):
    known = ["pos", None, "neg", "elsewhere"] * len(texts)
    frame = pl.DataFrame(
        {"text": texts, "known": known[: len(texts)]}, {"text": pl.String, "known": pl.String}
    )
    voters = make(known="known")
    _, whole = voters.add_labels(frame)
    parts = [voters.add_labels(part)[1] for part in (frame[:cut], frame[cut:])]
    assert add_metrics(*parts) == whole


def test_a_formula_votes_like_a_signal_and_known_labels_measure_it():
    votes = {"long": ["size >= 6"], "short": ["size < 6 & ~great", "bad | odd"]}
    with pytest.raises(RecipeError, match=r"label\.votes\.short: .* needs parentheses"):
        make(votes)
    votes["short"][0] = "(size < 6) & ~great"
    frame = pl.DataFrame(
        {
            "text": ["bad", "great things", "odd things", None],
            "is": ["short", "long", "short", "long"],
        }
    )
    rows, found = make(votes, "is").add_labels(frame)
    # the third has a vote of each class
    assert rows["label"].to_list() == ["short", "long", None, None]
    told = {
        one.voter: (one.votes, one.alone, one.conflicts, one.known, one.right)
        for one in found.voters
    }
    assert told == {
        "size >= 6": (2, 1, 1, 2, 1),
        "(size < 6) & ~great": (1, 0, 0, 1, 1),
        "bad | odd": (2, 0, 1, 2, 2),
    }
    assert (found.known, found.tied, found.silent, found.disputed, found.overlap) == (4, 1, 1, 1, 2)


def test_a_voter_that_fails_on_a_row_has_no_vote_on_it(tmp_path: Path):
    code = "def picky(text: str) -> bool:\n    return 1 / len(text) < 2\n"
    (tmp_path / "own.py").write_text(f"from siftset import signal\n@signal\n{code}")
    specs = {**SPECS, "picky": {"python": "own.py:picky"}}
    votes = {"pos": ["picky"], "neg": ["bad"]}
    voters = Voters(read_voters(votes, specs), build(specs, folder=tmp_path))
    rows, found = voters.add_labels(pl.DataFrame({"text": ["", "fine", "bad"]}))
    assert rows["label"].to_list() == [None, "pos", None]
    assert {one.voter: one.faults for one in found.voters} == {"picky": 1, "bad": 0}


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ({"pos": ["grate"], "neg": ["bad"]}, "votes.pos: 'grate': no signal is called 'grate'"),
        ({"pos": ["good", "good"], "neg": ["bad"]}, "label.votes.pos: 'good' votes twice"),
        ({"pos": ["good | bad"], "neg": ["bad | good"]}, "'bad | good' votes for neg and for pos"),
        ({"pos": ["good &"], "neg": ["bad"]}, "label.votes.pos: 'good &': not readable"),
    ],
)  # fmt: skip
def test_voters_that_cannot_be_are_refused(votes, said):
    with pytest.raises(RecipeError) as caught:
        make(votes)
    assert said in str(caught.value)


def test_columns_that_votes_would_overwrite_are_refused():
    with pytest.raises(RecipeError, match="has a column 'Label' already"):
        make().check(pl.Schema({"text": pl.String(), "Label": pl.String()}))
    with pytest.raises(RecipeError, match=r"label\.known: the source has no column 'gold'"):
        make(known="gold").check(pl.Schema({"text": pl.String()}))
    with pytest.raises(SignalError):
        make().check(pl.Schema({"body": pl.String()}))
    with pytest.raises(SignalError, match="is a score: compare it"):
        make({"a": ["size"], "b": ["bad"]})


def test_a_tie_and_no_vote_are_told_apart():
    found = make().count(np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]], bool))
    assert found.label.tolist() == [-1, -1, 0]
    assert np.isnan(found.agreement[:2]).all()
    assert found.agreement[2] == pytest.approx(2 / 3)
