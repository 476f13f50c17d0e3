"""The page of a proof: its sentence first, then scores with units, and how sure they are."""

from __future__ import annotations

import re

import pytest

from siftset.pipeline.reports.proof import STATUS, proof_part, render_proof
from siftset.schemas.results.comparison import Estimate, Interval
from siftset.schemas.results.proof import CurvePoint, Proof, ProofLine, ProofQuestions


@pytest.fixture
def proof() -> Proof:
    difference = Estimate(value=-0.1037, interval=Interval(low=-0.1482, high=-0.0592))
    line = ProofLine(
        questions="everything read", opponent="random", rows=136, strength="C 1", method="blocks",
        pairs=5, curated=0.69167, other=0.79534, difference=difference,
    )  # fmt: skip
    own = line.model_copy(update={"questions": "its own kind", "rows": 137})
    return Proof(
        recipe="moods", task="classification", key="4b46e3727d8876ba", run_id="r-1", set_version=1,
        verdict="hurt", sentence="No, it hurt: as many random rows teach more.", unit="points",
        model="logistic regression", difference=difference, blocks=5, block_rows=136, curated=985,
        pool=2204, read=3020, questions=816, groups=799, lines=(own, line), trained=92,
        question_sets=(ProofQuestions(name="everything read", rows=816, groups=799),),
        curve=(CurvePoint(rows=123, curated=0.693, random=0.772),
               CurvePoint(rows=2204, random=0.859)),
        notes=("few questions",), seconds=220.2,
    )  # fmt: skip


def test_the_sentence_stands_first_and_figures_have_units(proof: Proof) -> None:
    page = render_proof(proof)
    assert page.index(proof.sentence) < page.index('id="curve"')
    assert f'<span class="pill {STATUS["hurt"]}">hurt</span>' in page
    assert re.findall(r">(\d\d\.\d ?%)<", page)[:4] == ["85.9%", "69.3%", "69.3%", "77.2%"]
    assert "-10.4 [-14.8 to -5.9]" in page
    # the questions that decide stand before those of the set's own kind
    assert page.index(">136<") < page.index(">137<")
    assert "92 in 220 s" in page
    assert "about 4.5 points" in page
    assert "Few questions." in page


def test_a_part_of_another_page_says_the_same(proof: Proof) -> None:
    part = proof_part(proof)
    assert (part.title, part.status) == ("Did the curation help?", "fail")


def test_no_text_of_a_proof_is_markup(proof: Proof, payloads: tuple[str, ...]) -> None:
    tags = set(re.findall(r"<[a-z0-9]+", render_proof(proof)))
    for payload in payloads:
        line = proof.lines[0].model_copy(update={"questions": payload, "opponent": payload})
        told = dict.fromkeys(("recipe", "sentence", "model", "run_id", "key"), payload)
        bad = proof.model_copy(update={**told, "notes": (payload,), "lines": (line,)})
        assert set(re.findall(r"<[a-z0-9]+", render_proof(bad))) <= tags
