"""One word for what was measured, and the sentence that says it."""

from __future__ import annotations

import pytest

from siftset.pipeline.proof.statistics import Gain, Saving
from siftset.pipeline.proof.verdict import (
    Evidence,
    judge_evidence,
    write_saving,
    write_sentence,
)

UP, DOWN = Gain(0.074, 0.051, 0.096), Gain(-0.04, -0.06, -0.02)
FLAT, WIDE = Gain(-0.003, -0.02, 0.014), Gain(0.01, -0.05, 0.07)


@pytest.mark.parametrize(
    ("evidence", "word", "said"),
    [
        (
            Evidence([UP, UP], [UP, UP], UP),
            "yes",
            "Yes: the curated rows teach more than as many random rows: +7.4 points "
            "(+5.1 to +9.6).",
        ),
        (
            Evidence([UP, UP], [UP, UP], FLAT),
            "yes",
            "Yes: the curated rows teach more than as many random rows: +7.4 points "
            "(+5.1 to +9.6). Their length may be all there is to it: against rows of the same "
            "lengths -0.3 points (-2.0 to +1.4).",
        ),
        (
            Evidence([FLAT, UP], [UP, UP]),
            "no difference",
            "No difference shown: -0.3 points (-2.0 to +1.4); a gain above 1.4 points is ruled "
            "out.",
        ),
        (
            Evidence([WIDE, WIDE], [UP, UP]),
            "cannot say",
            "Cannot say: +1.0 points (-5.0 to +7.0). Hold out more rows or curate more.",
        ),
        (
            Evidence([DOWN, DOWN], [DOWN, DOWN]),
            "hurt",
            "No, it hurt: as many random rows teach more: -4.0 points (-6.0 to -2.0).",
        ),
        (
            Evidence([UP, UP], [FLAT, UP]),
            "not shown",
            "Not shown: few rows and many disagree, see the curve. With few rows +7.4 points "
            "(+5.1 to +9.6).",
        ),
        (Evidence([UP, DOWN], [UP, UP]), "not shown", "Not shown: few rows"),
        (Evidence([UP], complete=False), "cannot say", "Cannot say yet: +7.4 points"),
        (Evidence([FLAT], complete=False), "no difference", "No difference shown: -0.3"),
    ],
)
def test_the_verdict_and_its_sentence(evidence, word, said):
    assert judge_evidence(evidence) == word
    assert write_sentence(word, evidence, "points").startswith(said)


def test_a_loss_is_told_in_percent():
    assert "+7.4 % of the loss" in write_sentence("yes", Evidence([UP, UP], [UP, UP]), "percent")


def test_what_is_saved_is_told_with_its_interval():
    assert write_saving(Saving(1000, 4929.4, 3585.2, 5753.1, at_least=False)) == (
        "1,000 curated rows teach as much as 4,929 random ones (3,585 to 5,753)."
    )
    assert "at least 8,000" in write_saving(Saving(1000, 8000, 8000, 8000, at_least=True))
